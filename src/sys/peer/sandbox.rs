//! Sandboxes, which can be believed: what they say of an application, the application cannot change.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::OFlags;

use super::super::mount::Readers;
use crate::model::{Identity, IdentityKind};

/// Where files of foreign file systems are read: whoever made such a file system may never answer.
static READERS: Readers = Readers::new(4, Duration::from_secs(1));

/// The longest `.flatpak-info` that is read, in bytes.
const INFO_MAX: u64 = 64 * 1024;

/// What can be said of a program without waiting for anybody.
pub(super) enum Place {
    /// In the file tree that the daemon is in, and so in no sandbox.
    Here,
    /// In a sandbox that vouches for its name.
    Vouched(Identity),
    /// In a file tree of its own, which may be Flatpak's.
    Elsewhere,
    /// It does not let itself be looked at (`proc_pid_ns(5)`); what does that may be in a sandbox.
    Hidden,
}

/// Where a program is.
pub(super) fn place(proc: &Path) -> Place {
    if has_apparmor()
        && let Some(name) = snap(proc)
    {
        return Place::Vouched(Identity::new(IdentityKind::Snap, &name));
    }
    // Flatpak gives each application a mount namespace of its own
    match mounts(proc) {
        None => Place::Hidden,
        Some(theirs) if Some(&theirs) == ours() => Place::Here,
        Some(_) => Place::Elsewhere,
    }
}

/// What Flatpak says of a program in a file tree of its own.
pub(super) enum Word {
    /// It vouches for that name.
    Name(Identity),
    /// The program is none of Flatpak's.
    NotOurs,
    /// Something that cannot be read, or not in time: it may be Flatpak's.
    Unclear,
}

/// Asks Flatpak's file.
pub(super) async fn ask(proc: &Path) -> Word {
    let info = proc.join("root/.flatpak-info");
    match READERS.read(move || read(&info)).await {
        Some(Ok(text)) => match flatpak(&text) {
            Some(id) => Word::Name(Identity::new(IdentityKind::Flatpak, &id)),
            None => Word::Unclear,
        },
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => Word::NotOurs,
        Some(Err(_)) | None => Word::Unclear,
    }
}

/// The mount namespace of a process (namespaces(7)).
fn mounts(proc: &Path) -> Option<PathBuf> {
    fs::read_link(proc.join("ns/mnt")).ok()
}

/// The daemon's own, which it does not leave.
fn ours() -> Option<&'static PathBuf> {
    static OURS: OnceLock<Option<PathBuf>> = OnceLock::new();
    OURS.get_or_init(|| mounts(Path::new("/proc/self"))).as_ref()
}

/// Whether the kernel has `AppArmor`: that is settled when it boots.
fn has_apparmor() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| Path::new("/proc/self/attr/apparmor").is_dir())
}

fn read(info: &Path) -> io::Result<String> {
    // not a pipe or a device that is waited for, nor a link to a file of ours
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let mut options = fs::OpenOptions::new();
    let file = options.read(true).custom_flags(flags.bits().cast_signed()).open(info)?;
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    file.take(INFO_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The application's id in a `.flatpak-info` (flatpak-metadata(5)): `name` in the group `Application`.
fn flatpak(info: &str) -> Option<String> {
    let group = info.lines().skip_while(|line| line.trim() != "[Application]").skip(1);
    let mut group = group.take_while(|line| !line.starts_with('['));
    let id = group.find_map(|line| line.strip_prefix("name=")).map(str::trim)?;
    let sound = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    (sound && id.contains('.')).then(|| id.to_owned())
}

/// The application in the label `snap.NAME.APP (enforce)`: only what is enforced cannot be had otherwise.
fn snap(proc: &Path) -> Option<String> {
    let label = super::read(&proc.join("attr/apparmor/current"))?;
    snap_in(&label).map(str::to_owned)
}

fn snap_in(label: &str) -> Option<&str> {
    label.trim_end_matches(['\n', '\0']).strip_prefix("snap.")?.strip_suffix(" (enforce)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flatpaks_word_is_read_where_it_stands() {
        let info = "[Application]\nname=org.example.Mail\nruntime=runtime/x/y/z\n\n[Instance]\nname=no.no\n";
        assert_eq!(flatpak(info).as_deref(), Some("org.example.Mail"));
        for other in [
            "[Instance]\nname=org.example.Mail\n",
            "[Application]\nruntime=x\n[Instance]\nname=org.example.Mail\n",
            "[Application]\nname=../../x.y\n",
            "[Application]\nname=nodots\n",
            "",
        ] {
            assert_eq!(flatpak(other), None, "{other}");
        }
    }

    #[test]
    fn a_snap_counts_only_where_its_label_is_enforced() {
        assert_eq!(snap_in("snap.mail.daemon (enforce)\n"), Some("mail.daemon"));
        for other in
            ["snap.mail.daemon (complain)\n", "unconfined\n", "docker-default (enforce)", ""]
        {
            assert_eq!(snap_in(other), None, "{other}");
        }
    }
}
