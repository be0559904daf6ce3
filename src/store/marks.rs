//! High-water marks: the highest generation of each account, kept outside the database. A database
//! that a backup brought back holds refresh tokens that were replaced since; to present one looks to
//! the provider like theft, and ends the login. A mark above what the database holds gives that away.
//!
//! There are copies in several trees, since a backup as a rule brings one of them back and not all.
//! Each is a text of lines of one length: a heading, then a line for each account, overwritten in place.
//!
//! ```text
//! account        generation            sealed: when its grant was asked for
//! ```
//!
//! A mark is written after the commit that it is about, and not synced: after a crash it may lag, and
//! then a copy that is older by that little goes unnoticed; it is never ahead of the database. Each
//! opens in its own database, for its account and generation alone, so a line that is torn, edited or
//! of another database is no mark.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use crate::model::{AccountId, Generation, Wall};

use super::error::StoreError;
use super::files;
use super::seal::{Place, Sealer};

/// A line, its end included.
const LINE: usize = 160;
const HEADING: &str = "# How often the refresh token of each account has been replaced. It keeps an \
                       older copy of ostler's database from being taken for the newest.";
/// How many lines that hold nothing are remembered. Where more accounts come than that after as many went, the file
/// grows instead; a file that is mostly holes costs time to read, and no memory.
const FREE_MAX: usize = 4096;

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) generation: Generation,
    /// When the grant of that generation was asked for.
    pub(super) asked: Wall,
}

/// The marks, and the files that keep them.
pub(super) struct Marks {
    copies: Vec<Copy>,
    known: HashMap<AccountId, Mark>,
}

struct Copy {
    path: PathBuf,
    file: File,
    lines: HashMap<AccountId, (u64, Mark)>,
    /// Lines that hold nothing.
    free: Vec<u64>,
    /// The first line that was never written.
    end: u64,
}

impl Marks {
    /// Reads the marks; where files differ, the highest counts. A file that cannot be read or made
    /// is done without.
    pub(super) fn open(paths: &[PathBuf], sealer: &Sealer) -> Self {
        let mut copies = Vec::new();
        let mut known = HashMap::<AccountId, Mark>::new();
        for path in paths {
            match Copy::open(path, sealer) {
                Ok(copy) => {
                    for (account, (_, mark)) in &copy.lines {
                        let known = known.entry(account.clone()).or_insert(*mark);
                        *known = (*known).max(*mark);
                    }
                    copies.push(copy);
                }
                Err(error) => {
                    tracing::warn!(%error, "no marks there: an older copy of the database may go unnoticed");
                }
            }
        }
        Self { copies, known }
    }

    /// What is known of the accounts, also of those that the database does not know.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&AccountId, Mark)> {
        self.known.iter().map(|(account, mark)| (account, *mark))
    }

    /// Writes an account's mark down wherever it is not so already.
    pub(super) fn set(&mut self, sealer: &Sealer, account: &AccountId, mark: Mark) {
        self.known.insert(account.clone(), mark);
        for copy in &mut self.copies {
            if let Err(error) = copy.set(sealer, account, mark) {
                tracing::warn!(%account, path = %copy.path.display(), %error, "mark not written down");
            }
        }
    }

    /// Forgets an account.
    pub(super) fn remove(&mut self, account: &AccountId) {
        self.known.remove(account);
        for copy in &mut self.copies {
            if let Err(error) = copy.remove(account) {
                tracing::warn!(%account, path = %copy.path.display(), %error, "mark not erased");
            }
        }
    }
}

/// The marks in one file, for who only looks at it.
pub(super) fn read_copy(
    path: &Path,
    sealer: &Sealer,
) -> Result<HashMap<AccountId, Mark>, StoreError> {
    let file = File::open(path).map_err(StoreError::file("open", path))?;
    let copy = Copy::read(path, file, sealer)?;
    Ok(copy.lines.into_iter().map(|(account, (_, mark))| (account, mark)).collect())
}

impl Copy {
    fn open(path: &Path, sealer: &Sealer) -> Result<Self, StoreError> {
        files::prepare_directory(path)?;
        files::create_private(path)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(StoreError::file("open", path))?;
        let length = file.metadata().map_err(StoreError::file("look at", path))?.len();
        let copy = Self::read(path, file, sealer)?;
        if length == 0 {
            copy.write(0, HEADING).map_err(StoreError::file("write", path))?;
        }
        Ok(copy)
    }

    fn read(path: &Path, file: File, sealer: &Sealer) -> Result<Self, StoreError> {
        let (mut lines, mut free) = (HashMap::<AccountId, (u64, Mark)>::new(), Vec::new());
        let length = file.metadata().map_err(StoreError::file("look at", path))?.len();
        let end = length.div_ceil(LINE as u64);
        let mut from = BufReader::new(&file);
        let mut line = [0; LINE];
        for number in 0..end {
            // the last line may be torn
            let read_of_it =
                read_line(&mut from, &mut line).map_err(StoreError::file("read", path))?;
            if number == 0 {
                continue;
            }
            match read(&line[..read_of_it]) {
                Some((account, generation, blob)) => {
                    // one that does not open may be of another database, which may come back
                    let Some(asked) = open(sealer, number, &account, generation, &blob) else {
                        continue;
                    };
                    let mark = Mark { generation, asked };
                    if lines.get(&account).is_none_or(|(_, known)| *known < mark) {
                        lines.insert(account, (number, mark));
                    }
                }
                None if free.len() < FREE_MAX => free.push(number),
                None => {}
            }
        }
        Ok(Self { path: path.to_owned(), file, lines, free, end: end.max(1) })
    }

    fn set(&mut self, sealer: &Sealer, account: &AccountId, mark: Mark) -> io::Result<()> {
        let number = match self.lines.get(account) {
            Some((_, known)) if *known == mark => return Ok(()),
            Some((number, _)) => *number,
            None => self.free.pop().unwrap_or_else(|| {
                self.end += 1;
                self.end - 1
            }),
        };
        self.lines.insert(account.clone(), (number, mark));
        let Mark { generation, asked } = mark;
        let blob = sealer
            .seal(&asked.0.to_be_bytes(), &place(number, account, generation))
            .map_err(io::Error::other)?;
        let blob = HEXLOWER.encode(&blob);
        self.write(number, &format!("{account:<16} {:020} {blob}", generation.0))
    }

    fn remove(&mut self, account: &AccountId) -> io::Result<()> {
        let Some((number, _)) = self.lines.remove(account) else { return Ok(()) };
        if self.free.len() < FREE_MAX {
            self.free.push(number);
        }
        self.write(number, "")
    }

    fn write(&self, number: u64, text: &str) -> io::Result<()> {
        let width = LINE - 1;
        self.file.write_all_at(format!("{text:<width$}\n").as_bytes(), number * LINE as u64)
    }
}

/// Reads a line, or what there is of the last one.
fn read_line(from: &mut impl Read, line: &mut [u8; LINE]) -> io::Result<usize> {
    let mut length = 0;
    while length < LINE {
        match from.read(&mut line[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

/// A line's account, generation and sealed part, if it has the form of a mark.
fn read(line: &[u8]) -> Option<(AccountId, Generation, Vec<u8>)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let account = words.next()?.parse().ok()?;
    let generation = Generation(words.next()?.parse().ok()?);
    let blob = HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
    Some((account, generation, blob))
}

fn open(
    sealer: &Sealer,
    number: u64,
    account: &AccountId,
    generation: Generation,
    blob: &[u8],
) -> Option<Wall> {
    let plain = sealer.open(blob, &place(number, account, generation)).ok()?;
    Some(Wall(i64::from_be_bytes(plain.as_slice().try_into().ok()?)))
}

fn place(number: u64, account: &AccountId, generation: Generation) -> Place<'_> {
    Place {
        table: "marks",
        column: "asked",
        row: number.cast_signed(),
        owner: account.as_str(),
        generation: generation.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::seal::{DataKey, DatabaseId};
    use super::*;

    fn sealer(database: u8) -> Sealer {
        Sealer::new(DatabaseId([database; 16]), &DataKey::random().unwrap())
    }

    fn account(number: u8) -> AccountId {
        AccountId::from_random([number; 8])
    }

    fn mark(generation: u64) -> Mark {
        Mark { generation: Generation(generation), asked: Wall(1_700_000_000_000) }
    }

    fn known(paths: &[PathBuf], sealer: &Sealer) -> Vec<(AccountId, u64)> {
        let marks = Marks::open(paths, sealer);
        let mut known: Vec<_> =
            marks.iter().map(|(account, mark)| (account.clone(), mark.generation.0)).collect();
        known.sort();
        known
    }

    #[test]
    fn the_last_mark_of_each_account_is_found_again_in_a_file_that_does_not_grow() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a/marks"), dir.path().join("b/marks")];
        let sealer = sealer(1);
        let mut marks = Marks::open(&paths, &sealer);
        for generation in 1..50 {
            marks.set(&sealer, &account(1), mark(generation));
            marks.set(&sealer, &account(2), mark(generation + 100));
        }
        marks.remove(&account(2));
        marks.set(&sealer, &account(3), mark(7));
        let length = std::fs::metadata(&paths[0]).unwrap().len();
        assert_eq!(length, 3 * LINE as u64, "a heading and two accounts");
        for paths in [&paths[..], &paths[..1], &paths[1..]] {
            assert_eq!(known(paths, &sealer), [(account(1), 49), (account(3), 7)]);
        }
        let text = std::fs::read_to_string(&paths[1]).unwrap();
        assert!(text.lines().all(|line| line.len() == LINE - 1), "{text}");
    }

    #[test]
    fn every_account_s_mark_is_found_again_however_many_there_are() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("marks")];
        let sealer = sealer(1);
        let account = |number: u64| AccountId::from_random(number.to_le_bytes());
        let mut marks = Marks::open(&paths, &sealer);
        for number in 0..21_000 {
            marks.set(&sealer, &account(number), mark(number + 1));
        }
        let found = Marks::open(&paths, &sealer);
        assert_eq!(found.known.len(), 21_000);
        assert_eq!(found.known[&account(20_999)].generation, Generation(21_000));
    }

    #[test]
    fn a_mark_counts_wherever_in_a_file_it_stands() {
        const FAR: u64 = 1_000_001;
        let dir = tempfile::tempdir().unwrap();
        let path = [dir.path().join("marks")];
        let sealer = sealer(1);
        drop(Marks::open(&path, &sealer));
        // more lines than were ever read, without anything in them
        File::options().write(true).open(&path[0]).unwrap().set_len(FAR * LINE as u64).unwrap();
        let mut copy = Copy::open(&path[0], &sealer).unwrap();
        assert_eq!((copy.free.len(), copy.end), (FREE_MAX, FAR));
        copy.free.clear();
        copy.set(&sealer, &account(1), mark(7)).unwrap();
        assert_eq!(copy.lines[&account(1)].0, FAR);
        assert_eq!(known(&path, &sealer), [(account(1), 7)]);
        let mut marks = Marks::open(&path, &sealer);
        marks.remove(&account(1));
        assert_eq!(known(&path, &sealer), []);
    }

    #[test]
    fn of_two_files_the_higher_mark_counts() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("a"), dir.path().join("b")];
        let sealer = sealer(1);
        Marks::open(&paths, &sealer).set(&sealer, &account(1), mark(4));
        Marks::open(&paths[1..], &sealer).set(&sealer, &account(1), mark(9));
        assert_eq!(known(&paths, &sealer), [(account(1), 9)]);
    }

    #[test]
    fn what_was_edited_torn_or_moved_is_no_mark_and_its_line_is_used_again_if_it_is_no_ones() {
        let dir = tempfile::tempdir().unwrap();
        let path = [dir.path().join("marks")];
        let sealer = sealer(1);
        let mut marks = Marks::open(&path, &sealer);
        for number in 1..4 {
            marks.set(&sealer, &account(number), mark(5));
        }
        let good = std::fs::read_to_string(&path[0]).unwrap();
        let edited = good.replacen("05 ", "06 ", 1);
        std::fs::write(&path[0], &edited).unwrap();
        assert_eq!(known(&path, &sealer).len(), 2);
        let lines: Vec<_> = good.lines().collect();
        std::fs::write(&path[0], format!("{}\n{}\n{}\n", lines[0], lines[2], lines[1])).unwrap();
        assert_eq!(known(&path, &sealer), []);
        std::fs::write(&path[0], &good[..good.len() - 90]).unwrap();
        assert_eq!(known(&path, &sealer).len(), 2);
        std::fs::write(&path[0], "a shopping list").unwrap();
        let mut marks = Marks::open(&path, &sealer);
        marks.set(&sealer, &account(1), mark(5));
        assert_eq!(known(&path, &sealer), [(account(1), 5)]);
    }

    #[test]
    fn marks_of_another_database_are_neither_believed_nor_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = [dir.path().join("marks")];
        let (old, new) = (sealer(1), sealer(2));
        Marks::open(&path, &old).set(&old, &account(1), mark(5));
        let mut marks = Marks::open(&path, &new);
        assert_eq!(marks.iter().count(), 0);
        marks.set(&new, &account(1), mark(2));
        assert_eq!(known(&path, &new), [(account(1), 2)]);
        assert_eq!(known(&path, &old), [(account(1), 5)]);
    }

    #[test]
    fn a_place_where_nothing_can_be_kept_is_done_without() {
        let dir = tempfile::tempdir().unwrap();
        let blocker = dir.path().join("blocker");
        std::fs::write(&blocker, "").unwrap();
        let paths = [blocker.join("marks"), dir.path().join("marks")];
        let sealer = sealer(1);
        Marks::open(&paths, &sealer).set(&sealer, &account(1), mark(5));
        assert_eq!(known(&paths, &sealer), [(account(1), 5)]);
    }
}
