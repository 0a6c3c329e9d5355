//! What stands beside the grid: who is in the conference, and the chat.

use super::canvas::{Area, Canvas};
use super::overlay::{GREY, PANEL, RED, SPEAKING, WHITE};
use super::{ChatEntry, Colour, Fonts, PersonRow, Scene};

const OWN: Colour = 0x0077_b5ff;
const INPUT: Colour = 0x0026_2c36;
/// Pixels from one line to the next.
const LINE: i32 = 21;
const SIZE: u16 = 15;
const SMALL: u16 = 13;
/// Pixels between an edge and text.
const EDGE: i32 = 12;
const TITLE: i32 = 34;
const INPUT_HEIGHT: i32 = 38;
/// Characters of one entry that are drawn; who says more is read in the log.
const DRAWN: usize = 2000;

/// How much of a window the panels take from its right side.
pub(super) fn width(scene: &Scene, width: i32) -> i32 {
    let shown = scene.panels.chat || scene.panels.people;
    if shown { (width * 3 / 10).clamp(240, 420).min(width / 2) } else { 0 }
}

/// Draws the panels that are shown.
pub(super) fn draw(canvas: &mut Canvas, fonts: &mut Fonts, scene: &Scene, area: Area) {
    canvas.fill(area, PANEL);
    let people = match (scene.panels.people, scene.panels.chat) {
        (false, _) => 0,
        (true, false) => area.height,
        (true, true) => {
            let wanted = TITLE + LINE * scene.people.len().max(1) as i32 + EDGE;
            wanted.min(area.height * 2 / 5)
        }
    };
    draw_people(canvas, fonts, &scene.people, Area { height: people, ..area });
    if scene.panels.chat {
        let rest = Area { y: area.y + people, height: area.height - people, ..area };
        draw_chat(canvas, fonts, scene, rest);
    }
}

fn title(canvas: &mut Canvas, fonts: &mut Fonts, text: &str, area: Area) {
    canvas.fill(Area { height: 1, ..area }, INPUT);
    canvas.text(fonts, text, SIZE, (area.x + EDGE, area.y + 23), GREY);
}

fn draw_people(canvas: &mut Canvas, fonts: &mut Fonts, people: &[PersonRow], area: Area) {
    if area.height < TITLE {
        return;
    }
    title(canvas, fonts, &format!("People ({})", people.len()), area);
    let room = ((area.height - TITLE) / LINE).max(0) as usize;
    // the last line says how many more there are
    let shown = if people.len() > room { room.saturating_sub(1) } else { people.len() };
    for (base, person) in lines_from(area.y + TITLE + 15).zip(people.iter().take(shown)) {
        draw_person(canvas, fonts, person, area, base);
    }
    if shown < people.len() && room > 0 {
        let base = area.y + TITLE + 15 + LINE * shown as i32;
        let more = format!("and {} more", people.len() - shown);
        canvas.text(fonts, &more, SMALL, (area.x + EDGE + 16, base), GREY);
    }
}

fn lines_from(first: i32) -> impl Iterator<Item = i32> {
    (0..).map(move |n| first + n * LINE)
}

fn draw_person(canvas: &mut Canvas, fonts: &mut Fonts, person: &PersonRow, area: Area, base: i32) {
    if person.speaking {
        let dot = Area { x: area.x + EDGE, y: base - 10, width: 9, height: 9 };
        canvas.fill(dot, SPEAKING);
    }
    let mut right = area.x + area.width - EDGE;
    let marks = [("muted", person.muted, RED), (person.remark.as_str(), true, GREY)];
    for (mark, _, colour) in marks.into_iter().filter(|(mark, shown, _)| *shown && !mark.is_empty())
    {
        right -= fonts.width(mark, SMALL) as i32;
        canvas.text(fonts, mark, SMALL, (right, base), colour);
        right -= 8;
    }
    let left = area.x + EDGE + 16;
    let name = fonts.fit(&person.name, SIZE, (right - left).max(0) as f32);
    canvas.text(fonts, &name, SIZE, (left, base), WHITE);
}

/// Pieces of one drawn line, from left to right.
type Line = Vec<(String, u16, Colour)>;

fn draw_chat(canvas: &mut Canvas, fonts: &mut Fonts, scene: &Scene, area: Area) {
    if area.height < TITLE + INPUT_HEIGHT + LINE {
        return;
    }
    title(canvas, fonts, "Chat", area);
    let bottom = area.y + area.height - INPUT_HEIGHT;
    let room = ((bottom - area.y - TITLE) / LINE).max(0) as usize;
    let width = (area.width - 2 * EDGE).max(0) as f32;
    let lines = last_lines(fonts, &scene.chat, width, room, scene.panels.scroll);
    let first = bottom - 8 - LINE * (lines.len() as i32 - 1).max(0);
    for (base, line) in lines_from(first).zip(lines) {
        let mut pen = area.x + EDGE;
        for (text, size, colour) in line {
            canvas.text(fonts, &text, size, (pen, base), colour);
            pen += fonts.width(&text, size) as i32;
        }
    }
    let input = Area { y: bottom, height: INPUT_HEIGHT, ..area };
    draw_input(canvas, fonts, scene.panels.input.as_deref(), input);
}

/// The lines that are seen, oldest first: the last `room` ones, or so many before them.
fn last_lines(
    fonts: &mut Fonts,
    chat: &[ChatEntry],
    width: f32,
    room: usize,
    scroll: usize,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    // newest first, until there are enough
    for entry in chat.iter().rev() {
        if lines.len() >= room.saturating_add(scroll) {
            break;
        }
        lines.extend(lines_of(fonts, entry, width).into_iter().rev());
    }
    let skipped = scroll.min(lines.len().saturating_sub(room));
    let mut seen: Vec<Line> = lines.into_iter().skip(skipped).take(room).collect();
    seen.reverse();
    seen
}

fn lines_of(fonts: &mut Fonts, entry: &ChatEntry, width: f32) -> Vec<Line> {
    let cut = entry.text.chars().count() > DRAWN;
    let shown: String = entry.text.chars().take(DRAWN).chain(cut.then_some('…')).collect();
    if entry.from.is_empty() {
        let text = format!("{}  {shown}", entry.time);
        let lines = fonts.wrap(&text, SMALL, width);
        return lines.into_iter().map(|line| vec![(line, SMALL, GREY)]).collect();
    }
    let time = format!("[{}] ", entry.time);
    let room = width - fonts.width(&time, SMALL);
    let name = fonts.fit(&entry.from, SIZE, room);
    let colour = if entry.own { OWN } else { SPEAKING };
    let mut lines = vec![vec![(time, SMALL, GREY), (name, SIZE, colour)]];
    let text = fonts.wrap(&shown, SIZE, width);
    lines.extend(text.into_iter().map(|line| vec![(line, SIZE, WHITE)]));
    lines
}

fn draw_input(canvas: &mut Canvas, fonts: &mut Fonts, input: Option<&str>, area: Area) {
    let inside =
        Area { x: area.x + 6, y: area.y + 4, width: area.width - 12, height: area.height - 8 };
    canvas.fill(inside, INPUT);
    let base = area.y + 24;
    let left = inside.x + 8;
    let Some(input) = input else {
        canvas.text(fonts, "Enter: write   c: close", SMALL, (left, base), GREY);
        return;
    };
    canvas.outline(inside, 1, OWN);
    let shown = fonts.tail(input, SIZE, (inside.width - 20).max(0) as f32);
    canvas.text(fonts, shown, SIZE, (left, base), WHITE);
    let cursor = left + fonts.width(shown, SIZE) as i32 + 1;
    canvas.fill(Area { x: cursor, y: base - 14, width: 2, height: 18 }, OWN);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: usize) -> ChatEntry {
        let text = format!("line {n}");
        ChatEntry { time: "12:00:00".into(), from: "Bob".into(), text, own: false }
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().filter_map(|line| Some(line.last()?.0.as_str())).collect()
    }

    #[test]
    fn the_last_lines_are_seen_and_scrolling_stops_at_the_first() {
        let mut fonts = Fonts::default();
        let chat: Vec<ChatEntry> = (1..=5).map(entry).collect();
        let mut seen = |room, scroll| {
            let lines = last_lines(&mut fonts, &chat, 300.0, room, scroll);
            texts(&lines).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(seen(4, 0), ["Bob", "line 4", "Bob", "line 5"]);
        assert_eq!(seen(4, 2), ["Bob", "line 3", "Bob", "line 4"]);
        assert_eq!(seen(3, 999), ["Bob", "line 1", "Bob"]);
        assert_eq!(seen(99, 999).len(), 10);
        assert!(seen(0, 0).is_empty());
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let mut fonts = Fonts::default();
        let long = ChatEntry { text: "x".repeat(40_000), ..entry(0) };
        let lines = lines_of(&mut fonts, &long, 200.0);
        let drawn: usize = texts(&lines)[1..].iter().map(|line| line.chars().count()).sum();
        assert_eq!(drawn, DRAWN + 1);
    }
}
