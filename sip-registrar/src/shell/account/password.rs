//! Where a password comes from: never from the command line, which every user of the machine can see.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, bail};

/// The longest password, in bytes.
const MAX: u64 = 1024;

/// Reads the first line of a file (`-`: of standard input); without a file it asks twice at the
/// terminal, without echo, or reads standard input if that is none.
pub(super) fn read(file: Option<&Path>) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let password = match file {
        Some(path) if path != Path::new("-") => {
            let file = std::fs::File::open(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            first_line(file)?
        }
        None if stdin.is_terminal() => {
            let password = rpassword::prompt_password("Password: ")?;
            if rpassword::prompt_password("Once more: ")? != password {
                bail!("the two differ; nothing was changed");
            }
            password
        }
        _ => first_line(stdin)?,
    };
    if password.is_empty() {
        bail!("an empty password would let everybody in; nothing was changed");
    }
    Ok(password)
}

fn first_line(source: impl std::io::Read) -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::BufReader::new(source.take(MAX)).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line_with_its_blanks() {
        assert_eq!(first_line(&b" s e c r e t \r\nnext\n"[..]).unwrap(), " s e c r e t ");
        assert_eq!(first_line(&b"alone"[..]).unwrap(), "alone");
        assert_eq!(first_line(&b""[..]).unwrap(), "");
    }
}
