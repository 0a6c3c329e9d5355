//! A canvas as PNG file.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use super::Canvas;
use crate::device::DeviceError;

/// Writes the picture as PNG, replacing a file that is there.
///
/// # Errors
/// [`DeviceError::File`] if it cannot be written.
pub fn write_png(path: &Path, canvas: &Canvas) -> Result<(), DeviceError> {
    let failed = |why: String| DeviceError::File { path: path.to_owned(), why };
    let file = File::create(path).map_err(|error| failed(error.to_string()))?;
    let mut encoder =
        png::Encoder::new(BufWriter::new(file), canvas.width() as u32, canvas.height() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let bytes: Vec<u8> = canvas
        .pixels()
        .iter()
        .flat_map(|pixel| {
            let [_, red, green, blue] = pixel.to_be_bytes();
            [red, green, blue]
        })
        .collect();
    let mut writer = encoder.write_header().map_err(|error| failed(error.to_string()))?;
    writer.write_image_data(&bytes).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))
}
