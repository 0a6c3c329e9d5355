//! Where the tiles stand.

use super::canvas::Area;

/// Proportions tiles are made for.
const WIDE: (i32, i32) = (16, 9);
/// Pixels between tiles.
const GAP: i32 = 4;

/// As many areas as there are tiles, in reading order, as large as they can be in `whole`; the
/// last row stands in the middle if it is not full.
pub(super) fn grid(whole: Area, tiles: usize) -> Vec<Area> {
    let count = i32::try_from(tiles.min(400)).unwrap_or(1);
    let size = |columns: i32| {
        let rows = (count + columns - 1) / columns;
        let width = (whole.width - GAP * (columns + 1)) / columns;
        let height = (whole.height - GAP * (rows + 1)) / rows;
        let width = width.min(height * WIDE.0 / WIDE.1).max(0);
        (width, (width * WIDE.1 / WIDE.0).max(0), rows)
    };
    let Some(columns) = (1..=count).max_by_key(|columns| (size(*columns).0, -columns)) else {
        return Vec::new();
    };
    let (width, height, rows) = size(columns);
    let top = whole.y + (whole.height - rows * height - (rows - 1) * GAP) / 2;
    (0..count)
        .map(|n| {
            let (row, column) = (n / columns, n % columns);
            let in_row = (count - row * columns).min(columns);
            let left = whole.x + (whole.width - in_row * width - (in_row - 1) * GAP) / 2;
            Area { x: left + column * (width + GAP), y: top + row * (height + GAP), width, height }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Area = Area { x: 0, y: 0, width: 1280, height: 720 };

    #[test]
    fn four_tiles_stand_two_by_two_and_three_leave_the_last_in_the_middle() {
        let four = grid(WINDOW, 4);
        assert_eq!(four.len(), 4);
        assert_eq!((four[0].y, four[0].x), (four[1].y, four[2].x));
        let three = grid(WINDOW, 3);
        assert!((three[2].x + three[2].width / 2).abs_diff(640) <= 1);
    }

    #[test]
    fn a_tall_window_stacks_them() {
        let tall = grid(Area { width: 400, height: 900, ..WINDOW }, 3);
        assert!(tall.iter().all(|tile| tile.x == tall[0].x));
    }

    #[test]
    fn tiles_never_overlap_and_never_leave_the_window() {
        for count in 0..=40 {
            for (width, height) in [(1280, 720), (300, 900), (1000, 60), (3, 3)] {
                let whole = Area { x: 5, y: 7, width, height };
                let tiles = grid(whole, count);
                assert_eq!(tiles.len(), count);
                for (n, a) in tiles.iter().enumerate().filter(|(_, a)| a.width > 0) {
                    assert!(a.x >= 5 && a.x + a.width <= 5 + width, "{count} {a:?}");
                    assert!(a.y >= 7 && a.y + a.height <= 7 + height, "{count} {a:?}");
                    for b in &tiles[..n] {
                        let apart = b.x + b.width <= a.x || b.y + b.height <= a.y;
                        assert!(apart, "{a:?} {b:?}");
                    }
                }
            }
        }
    }
}
