//! Which fonts the system has for a character.

use std::process::{Command, Stdio};

/// Where distributions keep a font for Chinese, Japanese and Korean, if nobody can be asked.
const USUAL: [&str; 6] = [
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
];

/// Files looked at for one character.
const MOST: usize = 8;

/// Files that may have a character, the likeliest first: fontconfig knows.
pub(super) fn with(character: char) -> Vec<String> {
    let pattern = format!(":charset={:x}", u32::from(character));
    let asked = Command::new("fc-list")
        .args(["--format", "%{file}\n", &pattern])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match asked {
        Ok(output) if output.status.success() => sorted(&String::from_utf8_lossy(&output.stdout)),
        _ => USUAL.iter().map(|file| (*file).to_owned()).collect(),
    }
}

/// Outline fonts only; upright sans serif ones first, and each file once.
fn sorted(list: &str) -> Vec<String> {
    let outlines =
        |file: &&str| [".ttf", ".otf", ".ttc"].iter().any(|end| file.to_lowercase().ends_with(end));
    let mut files: Vec<String> = list.lines().filter(outlines).map(str::to_owned).collect();
    let rank = |file: &String| {
        let name = file.to_lowercase();
        let plain = name.contains("sans") || name.contains("regular");
        let odd = ["bold", "italic", "oblique", "mono", "light", "emoji"];
        (odd.iter().any(|word| name.contains(word)), !plain, file.clone())
    };
    files.sort_by_cached_key(rank);
    files.dedup();
    files.truncate(MOST);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_outline_fonts_come_first() {
        let list = "/f/Noto-Bold.ttf\n/f/bitmap.pcf.gz\n/f/Serif.ttf\n/f/NotoSans-Regular.ttf\n\
                    /f/NotoSans-Regular.ttf\n/f/NotoColorEmoji.ttf\n";
        let expected = [
            "/f/NotoSans-Regular.ttf",
            "/f/Serif.ttf",
            "/f/Noto-Bold.ttf",
            "/f/NotoColorEmoji.ttf",
        ];
        assert_eq!(sorted(list), expected);
    }
}
