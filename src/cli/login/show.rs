//! What the person is told to do.

use qrcode::{Color, QrCode};

use crate::api::{Flow, LoginStarted};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::text::one_line;
use crate::model::ProviderId;

/// The empty border that readers need around a picture, in modules.
const QUIET: usize = 2;

/// Tells what to visit, and what to type in there.
pub(super) fn started(
    started: &LoginStarted,
    provider: &ProviderId,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    if started.flow == Flow::Browser {
        console.tell(&format!("To sign in to {provider} as {}, visit\n", started.account));
        return console.line(one_line(&started.authorization_uri).as_bytes());
    }
    let (Some(page), Some(code)) = (&started.verification_uri, &started.user_code) else {
        // no person is needed
        return Ok(());
    };
    console
        .tell(&format!("To sign in to {provider} as {}, visit on any device\n", started.account));
    console.line(one_line(page).as_bytes())?;
    console.tell("and type in the code\n");
    console.line(one_line(code).as_bytes())?;
    if console.watched
        && let Some(picture) = picture(&started.authorization_uri, (console.look)().width)
    {
        console.tell(&format!(
            "or point the camera of a phone here, and compare the code:\n{picture}"
        ));
    }
    Ok(())
}

/// An address as a QR code, two rows of modules in a line of text. `None` if the terminal is too
/// narrow.
pub(super) fn picture(address: &str, width: Option<usize>) -> Option<String> {
    let code = QrCode::with_error_correction_level(address, qrcode::EcLevel::L).ok()?;
    let side = code.width() + 2 * QUIET;
    if width? < side {
        return None;
    }
    let is_dark = |x: usize, y: usize| {
        let inside = |at: usize| (QUIET..QUIET + code.width()).contains(&at);
        inside(x) && inside(y) && code[(x - QUIET, y - QUIET)] == Color::Dark
    };
    let mut text = String::new();
    for y in (0..side).step_by(2) {
        // black on white whatever the terminal's colours are: not every reader takes it the other
        // way round
        text.push_str("\x1b[30;107m");
        for x in 0..side {
            text.push(match (is_dark(x, y), is_dark(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push_str("\x1b[0m\n");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_has_a_border_and_fits_or_is_left_out() {
        let picture = picture("https://example.com/device?user_code=WDJB-MJHT", Some(80)).unwrap();
        let lines: Vec<&str> = picture.lines().collect();
        let inside = |line: &str| {
            line.trim_start_matches("\x1b[30;107m").trim_end_matches("\x1b[0m").to_owned()
        };
        let side = inside(lines[0]).chars().count();
        assert_eq!(lines.len(), side.div_ceil(2));
        assert!(inside(lines[0]).chars().all(|c| c == ' '), "two light rows");
        assert!(lines.iter().all(|line| inside(line).chars().count() == side));
        // the finder pattern's first two rows: seven dark modules, then dark at both ends
        assert!(inside(lines[1]).starts_with("  █▀▀▀▀▀█ "), "{:?}", lines[1]);
        assert!(super::picture("https://example.com/", Some(10)).is_none());
        assert!(super::picture("https://example.com/", None).is_none());
    }
}
