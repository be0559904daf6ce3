//! What keeps other programs of the same user out of the daemon, in force.

use crate::container::TESTER;
use crate::scene::Scene;
use crate::support::provider::Config;

/// Tries what a malicious program would. ptrace(2) is call 101, `PTRACE_ATTACH` 16.
const PROBE: &str = r#"
    my $pid = shift;
    for my $file ("environ", "mem", "maps") {
        my ($it, $byte);
        my $opened = open($it, "<", "/proc/$pid/$file");
        # nothing is mapped at address 0: of the memory it counts whether it can be opened
        print "$file ", ($opened && ($file eq "mem" || read($it, $byte, 1)) ? "open" : "shut"), "\n";
    }
    print "fd ", (opendir(my $fd, "/proc/$pid/fd") ? "open" : "shut"), "\n";
    print "trace ", (syscall(101, 16, $pid + 0, 0, 0) == 0 ? "open" : "shut"), "\n";
"#;

#[test]
fn another_program_of_the_user_gets_at_neither_memory_nor_files_of_the_daemon() {
    let Some(scene) = Scene::signed_in(Config::standard()) else { return };
    let probe = |pid: &str| {
        // as a unit of the user's own, as any program that was started in the session
        let unit = ["systemd-run", "--user", "--quiet", "--wait", "--pipe", "perl", "-e", PROBE];
        scene.machine.said_as(TESTER, &[&unit[..], &[pid]].concat())
    };
    let all =
        |word: &str| ["environ", "mem", "maps", "fd", "trace"].map(|it| format!("{it} {word}"));
    assert_eq!(probe(&scene.daemon()).lines().collect::<Vec<_>>(), all("shut"));
    // which the probe would notice if it were otherwise
    let unit = ["systemd-run", "--user", "--quiet", "--unit=victim", "sleep", "1000"];
    scene.machine.said_as(TESTER, &unit);
    let victim = scene.property("victim.service", "MainPID");
    let found = probe(&victim);
    assert_eq!(found.lines().collect::<Vec<_>>(), all("open"));
}

#[test]
fn the_hardening_is_in_force() {
    let Some(scene) = Scene::installed(Config::standard()) else { return };
    scene.systemctl(TESTER, &["start", "ostler.service"]);
    let daemon = scene.daemon();
    let status = scene.machine.said(&["cat", &format!("/proc/{daemon}/status")]);
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.lines().any(|it| it == line), "{line} in {status}");
    }
    let limits = scene.machine.said(&["cat", &format!("/proc/{daemon}/limits")]);
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // no namespace: in one of its own it could not tell who asks
    for namespace in ["user", "mnt"] {
        let of = |pid| scene.machine.said(&["readlink", &format!("/proc/{pid}/ns/{namespace}")]);
        assert_eq!(of(&daemon), of(&"1".to_owned()), "{namespace}");
    }
    let report = ["systemd-analyze", "--user", "--no-pager", "security", "ostler.service"];
    let report = scene.machine.said_as(TESTER, &report);
    assert!(report.lines().last().unwrap().contains("6.4"), "{report}");
    let units = ["ostler.service", "ostler.socket"].map(|it| format!("/usr/lib/systemd/user/{it}"));
    let verify = ["systemd-analyze", "--user", "verify", &units[0], &units[1]];
    let found = scene.machine.run_as(TESTER, &verify);
    assert!(found.status.success(), "{found:?}");
    assert_eq!(found.stdout + &found.stderr, "");
}
