//! The two buffers of a session. Tokens leave and client secrets arrive through them, so what has
//! been dealt with is wiped, and neither ever leaves an old copy behind when it grows.

use std::io;
use std::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use crate::api::REQUEST_MAX;

/// Room for the usual request.
const INBOX: usize = 1024;
/// Room for the usual token.
const OUTBOX: usize = 2048;
/// A buffer that had to grow beyond this is given back after use.
const KEPT: usize = 16 * 1024;

/// A frame that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// What has been read and not yet dealt with: often one frame, sometimes several or half a one.
#[derive(Default)]
pub(super) struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
    /// Where the first frame not dealt with begins. What was before is wiped.
    start: usize,
    /// Up to where no NUL was found.
    scanned: usize,
}

impl Inbox {
    /// The place of the first whole frame, without its NUL. It stays until [`Self::consume`].
    pub(super) fn frame(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        let end = self.bytes[self.scanned..].iter().position(|byte| *byte == 0);
        let end = end.map(|offset| self.scanned + offset);
        self.scanned = end.unwrap_or(self.bytes.len());
        if self.scanned - self.start > REQUEST_MAX {
            return Err(TooLong);
        }
        Ok(end.map(|end| self.start..end))
    }

    /// The bytes at a place that [`Self::frame`] gave.
    pub(super) fn at(&self, frame: Range<usize>) -> &[u8] {
        &self.bytes[frame]
    }

    /// Wipes the frame there, which is dealt with.
    pub(super) fn consume(&mut self, frame: Range<usize>) {
        let end = frame.end + 1;
        self.bytes[frame.start..end].zeroize();
        self.start = end;
        self.scanned = end;
        if end == self.bytes.len() {
            self.start = 0;
            self.scanned = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Zeroizing::default();
            }
        }
    }

    /// Whether nothing is waiting here, not even the beginning of a frame.
    pub(super) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Whether there is no point in reading on before a frame has been dealt with.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() - self.start > REQUEST_MAX
    }

    /// A vector with spare room to read into; what is in it must stay.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        if self.bytes.len() == self.bytes.capacity() {
            if self.start >= self.bytes.len() / 2 && self.start > 0 {
                let kept = self.bytes.len() - self.start;
                self.bytes.copy_within(self.start.., 0);
                self.bytes[kept..].zeroize();
                self.bytes.truncate(kept);
                self.scanned -= self.start;
                self.start = 0;
            } else {
                // twice as much, but not beyond what the longest frame with its NUL takes
                let most = (REQUEST_MAX + 1).saturating_sub(self.bytes.len()).max(INBOX);
                let more = self.bytes.capacity().clamp(INBOX, most);
                grow(&mut self.bytes, more);
            }
        }
        &mut self.bytes
    }
}

/// A reply on its way out.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Zeroizing<Vec<u8>>,
    /// How many bytes it may take; any number if nothing is said.
    limit: Option<usize>,
}

impl Outbox {
    /// What is to be written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// From now on it takes so many bytes and fails beyond that, with `FileTooLarge`.
    pub(super) fn limit(&mut self, limit: Option<usize>) {
        self.limit = limit;
    }

    /// Forgets what was written.
    pub(super) fn wipe(&mut self) {
        self.bytes.as_mut_slice().zeroize();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Zeroizing::default();
        }
    }
}

impl io::Write for Outbox {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_all(data)?;
        Ok(data.len())
    }

    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        if self.limit.is_some_and(|limit| limit - self.bytes.len().min(limit) < data.len()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if self.bytes.capacity() - self.bytes.len() < data.len() {
            let more = data.len().max(self.bytes.capacity()).max(OUTBOX);
            grow(&mut self.bytes, more);
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes room for `more` bytes. `Vec` itself would leave the old copy in freed memory.
fn grow(bytes: &mut Zeroizing<Vec<u8>>, more: usize) {
    let mut larger = Zeroizing::new(Vec::with_capacity(bytes.len() + more));
    larger.extend_from_slice(bytes);
    *bytes = larger;
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn receive(inbox: &mut Inbox, mut data: &[u8]) {
        while !data.is_empty() {
            let room = inbox.room();
            let count = data.len().min(room.capacity() - room.len());
            assert!(count > 0, "there is always room");
            room.extend_from_slice(&data[..count]);
            data = &data[count..];
        }
    }

    fn take(inbox: &mut Inbox) -> Option<Vec<u8>> {
        let frame = inbox.frame().unwrap()?;
        let bytes = inbox.at(frame.clone()).to_vec();
        inbox.consume(frame);
        Some(bytes)
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_were_cut() {
        let long = "x".repeat(3000);
        let frames = ["one", "", "three", long.as_str(), "five"];
        let stream: Vec<u8> =
            frames.iter().flat_map(|frame| [frame.as_bytes(), b"\0"].concat()).collect();
        for cut in [1, 2, 7, 1000, stream.len()] {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                receive(&mut inbox, piece);
                seen.extend(std::iter::from_fn(|| take(&mut inbox)));
            }
            assert_eq!(seen, frames.map(|frame| frame.as_bytes().to_vec()), "cut at {cut}");
            assert!(inbox.is_empty());
        }
    }

    #[test]
    fn a_frame_has_a_longest_length_with_or_without_its_end() {
        let mut inbox = Inbox::default();
        receive(&mut inbox, &vec![b'x'; REQUEST_MAX]);
        assert_eq!(inbox.frame(), Ok(None));
        receive(&mut inbox, b"\0");
        assert_eq!(inbox.frame(), Ok(Some(0..REQUEST_MAX)));

        let mut inbox = Inbox::default();
        receive(&mut inbox, &vec![b'x'; REQUEST_MAX + 1]);
        assert!(inbox.is_full());
        assert_eq!(inbox.frame(), Err(TooLong));
    }

    #[test]
    fn a_frame_dealt_with_is_wiped_while_the_next_one_waits() {
        let mut inbox = Inbox::default();
        receive(&mut inbox, b"canary\0next\0");
        assert_eq!(take(&mut inbox).unwrap(), b"canary");
        assert_eq!(inbox.bytes[..7], [0; 7]);
        assert_eq!(take(&mut inbox).unwrap(), b"next");
    }

    #[test]
    fn a_large_answer_gives_its_memory_back() {
        let mut out = Outbox::default();
        out.write_all(&vec![b'x'; 10 * KEPT]).unwrap();
        assert_eq!(out.bytes().len(), 10 * KEPT);
        out.wipe();
        assert!(out.bytes().is_empty() && out.bytes.capacity() == 0);
        out.write_all(b"small").unwrap();
        let place = out.bytes.as_ptr();
        out.wipe();
        out.write_all(b"again").unwrap();
        assert_eq!(out.bytes.as_ptr(), place, "a small one is used again");
    }
}
