//! A real window.

use std::cell::RefCell;
use std::rc::Rc;

use minifb::{InputCallback, Key, Window, WindowOptions};

use crate::device::picture::{Renderer, Scene};
use crate::device::{DeviceError, Display, WindowEvent};

/// What may be done between two calls of [`Display::show`]; more is no person.
const MOST_EVENTS: usize = 64;

/// Turns keys into events as they come. Asking for the keys that are down instead would miss those
/// that went down and up between two pictures.
#[derive(Default)]
struct Keys {
    down: Vec<Key>,
    /// The last key came again because it is held down.
    repeating: bool,
    events: Vec<WindowEvent>,
}

impl Keys {
    fn push(&mut self, event: WindowEvent) {
        if !self.repeating && self.events.len() < MOST_EVENTS {
            self.events.push(event);
        }
    }
}

/// What minifb calls while it serves the window system: first with a key, then with the character
/// it makes. Characters count, since `?` and letters are on other keys on other keyboards; this is
/// also where text for a chat will come in.
struct Listener(Rc<RefCell<Keys>>);

impl InputCallback for Listener {
    fn set_key_state(&mut self, key: Key, down: bool) {
        let mut keys = self.0.borrow_mut();
        keys.repeating = down && keys.down.contains(&key);
        keys.down.retain(|held| *held != key);
        if down {
            keys.down.push(key);
            if key == Key::Escape {
                keys.push(WindowEvent::Quit);
            }
        }
    }

    fn add_char(&mut self, code: u32) {
        let event = match char::from_u32(code).map(|c| c.to_ascii_lowercase()) {
            Some('m') => WindowEvent::ToggleMicrophone,
            Some('v') => WindowEvent::ToggleCamera,
            Some('?') => WindowEvent::ToggleHelp,
            Some('q') => WindowEvent::Quit,
            Some(key @ ('0'..='9' | '*' | '#')) => WindowEvent::Telephone(key),
            _ => return,
        };
        self.0.borrow_mut().push(event);
    }
}

/// A window by minifb that shows the grid. It has to stay on the thread that made it.
pub struct GridWindow {
    window: Window,
    renderer: Renderer,
    keys: Rc<RefCell<Keys>>,
    /// What the window shows, to draw only what changed.
    shown: Option<(Scene, (usize, usize))>,
    closed: bool,
}

impl GridWindow {
    /// Opens a window.
    ///
    /// # Errors
    /// [`DeviceError::Missing`] if there is no display.
    pub fn open(title: &str, width: usize, height: usize) -> Result<Self, DeviceError> {
        let options = WindowOptions { resize: true, ..WindowOptions::default() };
        let mut window = Window::new(title, width, height, options)
            .map_err(|error| DeviceError::Missing { what: "window", why: error.to_string() })?;
        // The caller keeps the time; minifb would sleep.
        window.set_target_fps(0);
        let keys = Rc::default();
        window.set_input_callback(Box::new(Listener(Rc::clone(&keys))));
        Ok(Self { window, renderer: Renderer::default(), keys, shown: None, closed: false })
    }

    fn events(&mut self) -> Vec<WindowEvent> {
        let mut events = std::mem::take(&mut self.keys.borrow_mut().events);
        if !self.window.is_open() && !self.closed {
            self.closed = true;
            events.push(WindowEvent::Quit);
        }
        events
    }
}

impl Display for GridWindow {
    fn show(&mut self, scene: &Scene) -> Vec<WindowEvent> {
        let size = self.window.get_size();
        let same =
            self.shown.as_ref().is_some_and(|(shown, at)| *at == size && shown.looks_like(scene));
        if same {
            self.window.update();
        } else {
            let canvas = self.renderer.render(scene, size.0, size.1);
            let (width, height) = (canvas.width(), canvas.height());
            if let Err(error) = self.window.update_with_buffer(canvas.pixels(), width, height) {
                tracing::warn!(%error, "window");
                self.window.update();
            }
            self.shown = Some((scene.clone(), size));
        }
        self.events()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_events_once_even_if_they_are_held() {
        let keys: Rc<RefCell<Keys>> = Rc::default();
        let mut listener = Listener(Rc::clone(&keys));
        let mut press = |key, character: char| {
            listener.set_key_state(key, true);
            listener.add_char(u32::from(character));
        };
        press(Key::M, 'm');
        press(Key::M, 'm');
        press(Key::M, 'm');
        press(Key::Slash, '?');
        press(Key::V, 'V');
        press(Key::X, 'x');
        press(Key::Escape, '\u{1b}');
        listener.set_key_state(Key::M, false);
        listener.set_key_state(Key::M, true);
        listener.add_char(u32::from('m'));
        listener.add_char(u32::MAX);
        let expected = [
            WindowEvent::ToggleMicrophone,
            WindowEvent::ToggleHelp,
            WindowEvent::ToggleCamera,
            WindowEvent::Quit,
            WindowEvent::ToggleMicrophone,
        ];
        assert_eq!(keys.borrow().events, expected);
    }
}
