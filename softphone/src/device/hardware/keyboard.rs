//! What the keys at the window do: commands, or text while a line is being typed.

use minifb::{InputCallback, Key};
use std::cell::RefCell;
use std::rc::Rc;

use crate::device::WindowEvent;
use crate::device::picture::Panels;

/// What may be done between two calls of [`Display::show`](crate::device::Display::show); more is no person.
const MOST_EVENTS: usize = 64;
/// The longest line typed, in characters.
const LONGEST: usize = 4000;
/// Lines that a key scrolls.
const PAGE: usize = 8;

/// Turns keys into events as they come. Asking for the keys that are down instead would miss those
/// that went down and up between two pictures.
#[derive(Default)]
pub(super) struct Keyboard {
    down: Vec<Key>,
    /// The last key came again because it is held down.
    repeating: bool,
    /// Which panels are shown, and what is being typed.
    pub(super) panels: Panels,
    events: Vec<WindowEvent>,
    /// What was typed before it was left for a moment.
    kept: String,
}

impl Keyboard {
    /// What was done since the last call.
    pub(super) fn take(&mut self) -> Vec<WindowEvent> {
        std::mem::take(&mut self.events)
    }

    fn push(&mut self, event: WindowEvent) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(event);
        }
    }

    fn key(&mut self, key: Key) {
        match (key, &mut self.panels.input) {
            (Key::PageUp, _) => self.panels.scroll = self.panels.scroll.saturating_add(PAGE),
            (Key::PageDown, _) => self.panels.scroll = self.panels.scroll.saturating_sub(PAGE),
            (Key::Backspace, Some(input)) => {
                input.pop();
            }
            (Key::Escape | Key::Tab, Some(_)) if !self.repeating => self.leave_line(),
            (Key::Enter | Key::NumPadEnter, Some(_)) if !self.repeating => self.send_line(),
            (Key::Enter | Key::NumPadEnter | Key::Tab, None) if !self.repeating => {
                self.panels.chat = true;
                self.panels.input = Some(std::mem::take(&mut self.kept));
            }
            (Key::Escape, None) if !self.repeating => self.push(WindowEvent::Quit),
            _ => {}
        }
    }

    /// Keys are commands again; what was typed waits.
    fn leave_line(&mut self) {
        self.kept = self.panels.input.take().unwrap_or_default();
    }

    fn send_line(&mut self) {
        let Some(input) = &mut self.panels.input else { return };
        if input.trim().is_empty() {
            self.leave_line();
            return;
        }
        let line = std::mem::take(input);
        // what is said is at the end
        self.panels.scroll = 0;
        self.push(WindowEvent::Line(line));
    }

    fn character(&mut self, character: char) {
        if let Some(input) = &mut self.panels.input {
            if !character.is_control() && input.chars().count() < LONGEST {
                input.push(character);
            }
            return;
        }
        if self.repeating {
            return;
        }
        match character.to_ascii_lowercase() {
            'm' => self.push(WindowEvent::ToggleMicrophone),
            'v' => self.push(WindowEvent::ToggleCamera),
            '?' => self.push(WindowEvent::ToggleHelp),
            'q' => self.push(WindowEvent::Quit),
            'c' => self.panels.chat = !self.panels.chat,
            'p' => self.panels.people = !self.panels.people,
            key @ ('0'..='9' | '*' | '#') => self.push(WindowEvent::Telephone(key)),
            // a command begins a line
            '/' => {
                self.panels.chat = true;
                self.panels.input = Some("/".to_owned());
            }
            _ => {}
        }
    }
}

/// What minifb calls while it serves the window system: first with a key, then with the character it makes.
/// Characters count, since `?` and letters are on other keys on other keyboards.
pub(super) struct Listener(pub(super) Rc<RefCell<Keyboard>>);

impl InputCallback for Listener {
    fn set_key_state(&mut self, key: Key, down: bool) {
        let mut keyboard = self.0.borrow_mut();
        keyboard.repeating = down && keyboard.down.contains(&key);
        keyboard.down.retain(|held| *held != key);
        if down {
            keyboard.down.push(key);
            keyboard.key(key);
        }
    }

    fn add_char(&mut self, code: u32) {
        if let Some(character) = char::from_u32(code) {
            self.0.borrow_mut().character(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> (Listener, Rc<RefCell<Keyboard>>) {
        let keyboard: Rc<RefCell<Keyboard>> = Rc::default();
        (Listener(Rc::clone(&keyboard)), keyboard)
    }

    fn press(listener: &mut Listener, key: Key, character: char) {
        listener.set_key_state(key, true);
        listener.add_char(u32::from(character));
        listener.set_key_state(key, false);
    }

    #[test]
    fn keys_become_events_once_even_if_they_are_held() {
        let (mut listener, keyboard) = listener();
        for _ in 0..3 {
            listener.set_key_state(Key::M, true);
            listener.add_char(u32::from('m'));
        }
        listener.set_key_state(Key::M, false);
        press(&mut listener, Key::Slash, '?');
        press(&mut listener, Key::V, 'V');
        press(&mut listener, Key::X, 'x');
        press(&mut listener, Key::Escape, '\u{1b}');
        press(&mut listener, Key::M, 'm');
        listener.add_char(u32::MAX);
        let expected = [
            WindowEvent::ToggleMicrophone,
            WindowEvent::ToggleHelp,
            WindowEvent::ToggleCamera,
            WindowEvent::Quit,
            WindowEvent::ToggleMicrophone,
        ];
        assert_eq!(keyboard.borrow_mut().take(), expected);
    }

    #[test]
    fn while_a_line_is_typed_no_key_is_a_command() {
        let (mut listener, keyboard) = listener();
        press(&mut listener, Key::Enter, '\r');
        assert!(keyboard.borrow().panels.chat);
        for character in ['q', 'm', '1', 'é', '会', 'x'] {
            press(&mut listener, Key::Unknown, character);
        }
        listener.set_key_state(Key::Backspace, true);
        assert_eq!(keyboard.borrow().panels.input.as_deref(), Some("qm1é会"));
        press(&mut listener, Key::Escape, '\u{1b}');
        assert!(keyboard.borrow_mut().take().is_empty(), "Escape leaves the line, not the meeting");
        press(&mut listener, Key::Tab, '\t');
        press(&mut listener, Key::Enter, '\r');
        assert_eq!(keyboard.borrow_mut().take(), [WindowEvent::Line("qm1é会".to_owned())]);
        press(&mut listener, Key::Enter, '\r');
        assert_eq!(keyboard.borrow().panels.input, None, "an empty line ends typing");
        press(&mut listener, Key::Slash, '/');
        assert_eq!(keyboard.borrow().panels.input.as_deref(), Some("/"));
    }

    #[test]
    fn panels_come_and_go_and_the_chat_is_scrolled() {
        let (mut listener, keyboard) = listener();
        press(&mut listener, Key::C, 'c');
        press(&mut listener, Key::P, 'p');
        press(&mut listener, Key::PageUp, '\0');
        let panels = keyboard.borrow().panels.clone();
        assert!(panels.chat && panels.people && panels.scroll == PAGE);
        press(&mut listener, Key::PageDown, '\0');
        press(&mut listener, Key::PageDown, '\0');
        press(&mut listener, Key::C, 'c');
        let panels = keyboard.borrow().panels.clone();
        assert!(!panels.chat && panels.scroll == 0);
    }
}
