//! A real window.

use std::cell::RefCell;
use std::rc::Rc;

use minifb::{InputCallback, Key, KeyRepeat, Window, WindowOptions};

use crate::device::picture::{Renderer, Scene};
use crate::device::{DeviceError, Display, WindowEvent};

/// Typed characters kept at most until the next [`Display::show`].
const MOST_TYPED: usize = 256;

/// What was typed, as characters: `?` is on another key on every keyboard.
#[derive(Default)]
struct Typed(Rc<RefCell<Vec<char>>>);

impl InputCallback for Typed {
    fn add_char(&mut self, code: u32) {
        let mut typed = self.0.borrow_mut();
        if let Some(character) = char::from_u32(code).filter(|_| typed.len() < MOST_TYPED) {
            typed.push(character);
        }
    }
}

/// A window by minifb that shows the grid. It has to stay on the thread that made it.
pub struct GridWindow {
    window: Window,
    renderer: Renderer,
    typed: Rc<RefCell<Vec<char>>>,
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
        let typed = Typed::default();
        let kept = Rc::clone(&typed.0);
        window.set_input_callback(Box::new(typed));
        Ok(Self { window, renderer: Renderer::default(), typed: kept, shown: None, closed: false })
    }

    fn events(&mut self) -> Vec<WindowEvent> {
        let mut events: Vec<WindowEvent> = self
            .window
            .get_keys_pressed(KeyRepeat::No)
            .into_iter()
            .filter_map(|key| match key {
                Key::M => Some(WindowEvent::ToggleMicrophone),
                Key::V => Some(WindowEvent::ToggleCamera),
                Key::Q | Key::Escape => Some(WindowEvent::Quit),
                _ => None,
            })
            .collect();
        let asked = self.typed.borrow_mut().drain(..).filter(|c| *c == '?').count();
        events.extend(std::iter::repeat_n(WindowEvent::ToggleHelp, asked));
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
