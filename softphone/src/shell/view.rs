//! What the threads of a call have to show: written by network and video, read by the window.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media_codec::I420Frame;
use softphone::core::tiles::{Picture, Tile};
use softphone::device::picture::{ChatEntry, Panels, PersonRow, Scene, SceneTile};

#[derive(Debug, Default)]
struct Inner {
    tiles: Vec<Tile>,
    slots: Vec<Option<Arc<I420Frame>>>,
    own: Option<Arc<I420Frame>>,
    status: String,
    help: bool,
    chat: Arc<Vec<ChatEntry>>,
    people: Arc<Vec<PersonRow>>,
}

/// Entries of the chat that can be scrolled back to.
const KEPT_CHAT: usize = 500;

/// The newest of everything.
#[derive(Debug, Default)]
pub struct View {
    inner: Mutex<Inner>,
}

impl View {
    /// A view of a call with this many video slots.
    pub fn new(slots: usize) -> Self {
        Self { inner: Mutex::new(Inner { slots: vec![None; slots], ..Inner::default() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // nothing is left half done by a thread that dies here
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot has a new picture.
    pub fn show_slot(&self, slot: usize, picture: Arc<I420Frame>) {
        if let Some(place) = self.lock().slots.get_mut(slot) {
            *place = Some(picture);
        }
    }

    /// Our camera has a new picture.
    pub fn show_own(&self, picture: Arc<I420Frame>) {
        self.lock().own = Some(picture);
    }

    /// Who is there, and the line at the bottom.
    pub fn set_tiles(&self, tiles: Vec<Tile>, status: String) {
        let mut inner = self.lock();
        inner.tiles = tiles;
        inner.status = status;
    }

    /// Something to be read in the chat.
    pub fn add_chat(&self, entry: ChatEntry) {
        let mut inner = self.lock();
        let chat = Arc::make_mut(&mut inner.chat);
        let surplus = (chat.len() + 1).saturating_sub(KEPT_CHAT);
        chat.drain(..surplus);
        chat.push(entry);
    }

    /// Who is in the conference.
    pub fn set_people(&self, people: Vec<PersonRow>) {
        let mut inner = self.lock();
        if *inner.people != people {
            inner.people = Arc::new(people);
        }
    }

    /// Shows or hides the explanation of the keys.
    pub fn toggle_help(&self) {
        let mut inner = self.lock();
        inner.help = !inner.help;
    }

    /// Everything as it is now.
    pub fn scene(&self) -> Scene {
        let inner = self.lock();
        let tile = |tile: &Tile| SceneTile {
            name: tile.name.clone(),
            picture: match tile.picture {
                Picture::Own => inner.own.clone(),
                Picture::Slot(slot) => inner.slots.get(slot).cloned().flatten(),
                Picture::None => None,
            },
            speaking: tile.speaking,
            muted: tile.muted,
            own: tile.own,
        };
        Scene {
            tiles: inner.tiles.iter().map(tile).collect(),
            status: inner.status.clone(),
            help: inner.help,
            chat: Arc::clone(&inner.chat),
            people: Arc::clone(&inner.people),
            panels: Panels::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_gets_the_newest_picture_of_its_slot() {
        let view = View::new(2);
        let picture = Arc::new(I420Frame::black(64, 36).unwrap());
        view.show_slot(1, picture.clone());
        view.show_slot(9, picture.clone());
        let tile = |name: &str, picture| Tile {
            name: name.into(),
            picture,
            speaking: false,
            muted: false,
            own: picture == Picture::Own,
        };
        let tiles = vec![tile("Ann", Picture::Slot(1)), tile("me", Picture::Own)];
        view.set_tiles(tiles, "status".into());
        view.toggle_help();
        for n in 0..2 * KEPT_CHAT {
            view.add_chat(ChatEntry { text: n.to_string(), ..ChatEntry::default() });
        }
        let scene = view.scene();
        assert_eq!((scene.chat.len(), scene.chat[0].text.as_str()), (KEPT_CHAT, "500"));
        assert_eq!(scene.tiles[0].picture.as_deref(), Some(&*picture));
        assert!(scene.tiles[1].picture.is_none() && scene.tiles[1].own);
        assert!(scene.help && scene.status == "status");
    }
}
