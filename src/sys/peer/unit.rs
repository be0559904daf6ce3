//! What the name of a unit says of the program in it (<https://systemd.io/DESKTOP_ENVIRONMENTS>).

/// A program by the unit it runs in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A desktop application's id, by the name of its unit. That there is such an application is another
    /// question.
    App {
        id: String,
        unit: String,
    },
    Service(String),
}

/// Reads `/proc/PID/cgroup` (cgroups(7)). `None` for what is in no unit of a user's manager, or in one whose
/// name is another one each time: a session, a terminal's tab, a command run by hand.
pub(super) fn named(cgroup: &str) -> Option<Named> {
    // the one hierarchy, or systemd's own where there are several
    let path = cgroup
        .lines()
        .find_map(|line| line.strip_prefix("0::").filter(|path| path.len() > 1))
        .or_else(|| cgroup.lines().find_map(|line| Some(line.split_once(":name=systemd:")?.1)))?;
    let mut below = path.split('/').skip_while(|part| !part.starts_with("user@"));
    below.next()?;
    let (name, kind) = below
        .filter_map(|part| part.rsplit_once('.'))
        .filter(|(_, kind)| ["service", "scope"].contains(kind))
        .last()?;
    let unit = || format!("{name}.{kind}");
    if let Some(id) = app(name, kind) {
        return Some(Named::App { id, unit: unit() });
    }
    let transient = name.starts_with("run-") || kind == "scope";
    // what a bus starts without systemd's help is in the bus's own unit
    let bus = ["dbus", "dbus-broker"].contains(&name);
    (!transient && !bus).then(|| Named::Service(unit()))
}

/// The application's id in `app[-LAUNCHER]-ID-RANDOM.scope`, `app[-LAUNCHER]-ID[@RANDOM].service` and
/// `app[-LAUNCHER]-ID@autostart.service`.
fn app(name: &str, kind: &str) -> Option<String> {
    let name = name.strip_prefix("app-")?;
    let id = if kind == "scope" {
        name.rsplit_once('-')?.0
    } else {
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        name.strip_suffix("-autostart").unwrap_or(name)
    };
    // a dash in an id is written \x2d
    unescaped(id.rsplit('-').next()?).filter(|id| !id.is_empty() && !id.contains('/'))
}

/// Undoes systemd's escaping (`systemd.unit(5)`, "String Escaping for Inclusion in Unit Names").
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once("\\x") {
        bytes.extend(before.bytes());
        bytes.push(u8::from_str_radix(escape.get(..2)?, 16).ok()?);
        rest = &escape[2..];
    }
    bytes.extend(rest.bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: &str = "0::/user.slice/user-1000.slice/user@1000.service";

    fn of(below: &str) -> Option<Named> {
        named(&format!("{MANAGER}/{below}\n"))
    }

    #[test]
    fn an_application_is_known_by_its_unit_whoever_launched_it() {
        for (unit, id) in [
            ("app-gnome-org.mozilla.Thunderbird-1234.scope", "org.mozilla.Thunderbird"),
            ("app-org.mozilla.Thunderbird-1234.scope", "org.mozilla.Thunderbird"),
            ("app-KDE-org.kde.kmail2@0123abcd.service", "org.kde.kmail2"),
            ("app-org.example.Sync@autostart.service", "org.example.Sync"),
            ("app-org.example.Sync-autostart.service", "org.example.Sync"),
            ("app-gnome-google\\x2dchrome-77.scope", "google-chrome"),
        ] {
            let named = of(&format!("app.slice/{unit}"));
            assert_eq!(named, Some(Named::App { id: id.to_owned(), unit: unit.to_owned() }));
        }
    }

    #[test]
    fn a_service_is_known_by_its_name_and_the_innermost_one_counts() {
        let service = |name: &str| Some(Named::Service(name.to_owned()));
        assert_eq!(of("app.slice/mbsync.service"), service("mbsync.service"));
        assert_eq!(of("background.slice/a.service/b.service/payload"), service("b.service"));
        let hybrid = format!("5:memory:/\n1:name=systemd:{}/mbsync.service\n0::/\n", &MANAGER[3..]);
        assert_eq!(named(&hybrid), service("mbsync.service"));
    }

    #[test]
    fn what_has_another_name_each_time_or_says_nothing_is_no_name() {
        for below in [
            "app.slice/run-u12.service",
            "app.slice/vte-spawn-6d1d.scope",
            "init.scope",
            "session.slice/dbus.service",
            "app.slice",
            "app.slice/app-x\\xzz-1.scope",
            "app.slice/app--1.scope",
        ] {
            assert_eq!(of(below), None, "{below}");
        }
        assert_eq!(named("0::/user.slice/user-1000.slice/session-3.scope\n"), None);
        assert_eq!(named("0::/system.slice/cron.service\n"), None);
        assert_eq!(named("0::/\n"), None);
        assert_eq!(named(""), None);
    }
}
