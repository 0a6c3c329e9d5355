//! A real window.

use std::cell::RefCell;
use std::rc::Rc;

use minifb::{Window, WindowOptions};

use super::keyboard::{Keyboard, Listener};
use crate::device::picture::{Renderer, Scene};
use crate::device::{DeviceError, Display, WindowEvent};

/// A window by minifb that shows the grid. It has to stay on the thread that made it.
pub struct GridWindow {
    window: Window,
    renderer: Renderer,
    keyboard: Rc<RefCell<Keyboard>>,
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
        let keyboard = Rc::default();
        window.set_input_callback(Box::new(Listener(Rc::clone(&keyboard))));
        Ok(Self { window, renderer: Renderer::default(), keyboard, shown: None, closed: false })
    }

    fn events(&mut self) -> Vec<WindowEvent> {
        let mut events = self.keyboard.borrow_mut().take();
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
        let scene = Scene { panels: self.keyboard.borrow().panels.clone(), ..scene.clone() };
        let shown = self.shown.as_ref();
        let same = shown.is_some_and(|(shown, at)| *at == size && shown.looks_like(&scene));
        if same {
            self.window.update();
        } else {
            let canvas = self.renderer.render(&scene, size.0, size.1);
            let (width, height) = (canvas.width(), canvas.height());
            if let Err(error) = self.window.update_with_buffer(canvas.pixels(), width, height) {
                tracing::warn!(%error, "window");
                self.window.update();
            }
            self.shown = Some((scene, size));
        }
        self.events()
    }
}
