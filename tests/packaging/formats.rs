//! The packages of each kind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::support::process;
use crate::{PATIENCE, built, files, run, said, source, text};

/// What a user has to find, wherever it comes from.
const ESSENTIAL: [&str; 8] = [
    "bin/ostler",
    "libexec/ostlerd",
    "lib/systemd/user/ostler.service",
    "lib/systemd/user/ostler.socket",
    "share/applications/dev.ostler.Ostler.desktop",
    "share/dbus-1/services/dev.ostler.Ostler1.service",
    "share/man/man1/ostler.1.gz",
    "share/ostler/providers/parqex.toml",
];

#[test]
fn lintian_finds_no_error_in_the_debian_package() {
    let Some(package) = built("OSTLER_TEST_DEB") else { return };
    let found = run("lintian", &["--allow-root", "--fail-on", "error", package.to_str().unwrap()]);
    assert!(found.status.success(), "{found:?}");
    assert!(!found.stdout.lines().any(|line| line.starts_with("E:")), "{found:?}");
}

#[test]
fn the_debian_package_holds_the_whole_tree() {
    let (Some(package), Some(tree)) = (built("OSTLER_TEST_DEB"), built("OSTLER_TEST_TREE")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    said("dpkg-deb", &["-x", package.to_str().unwrap(), dir.path().to_str().unwrap()]);
    let mut expected: BTreeSet<String> = files(&tree)
        .into_iter()
        .map(|path| path.replace("zsh/site-functions", "zsh/vendor-completions"))
        .collect();
    expected.extend(
        ["copyright", "changelog.Debian.gz"].map(|it| format!("/usr/share/doc/ostler/{it}")),
    );
    assert_eq!(files(dir.path()).into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn rpm_reads_and_installs_the_rpm_package() {
    let (Some(package), Some(tree)) = (built("OSTLER_TEST_RPM"), built("OSTLER_TEST_TREE")) else {
        return;
    };
    let package = package.to_str().unwrap();
    let mut expected: BTreeSet<String> = files(&tree).into_iter().collect();
    expected.extend(
        ["LICENSE-MIT", "LICENSE-APACHE"].map(|it| format!("/usr/share/licenses/ostler/{it}")),
    );
    let listed = said("rpm", &["--query", "--package", "--list", package]);
    assert_eq!(listed.lines().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    let scripts = said("rpm", &["--query", "--package", "--scripts", package]);
    assert!(scripts.contains("in_sessions()") && !scripts.contains("#SESSIONS#"), "{scripts}");
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    // this machine's own libraries are not in rpm's books
    let place = ["--root", root.to_str().unwrap(), "--nodeps", "--noscripts"];
    said("rpm", &[&["--install"], &place[..], &[package]].concat());
    for path in ESSENTIAL {
        assert!(root.join("usr").join(path).is_file(), "{path}");
    }
    let verified =
        said("rpm", &["--root", root.to_str().unwrap(), "--verify", "--nodeps", "ostler"]);
    assert_eq!(verified, "");
}

#[test]
fn the_static_binaries_need_nothing_and_run() {
    let Some(archive) = built("OSTLER_TEST_TARBALL") else { return };
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().to_str().unwrap();
    let unpack = ["--extract", "--strip-components=1", "--directory", into, "--file"];
    said("tar", &[&unpack[..], &[archive.to_str().unwrap()]].concat());
    for path in ESSENTIAL {
        assert!(dir.path().join(path).is_file(), "{path}");
    }
    for binary in ["bin/ostler", "libexec/ostlerd"] {
        let path = dir.path().join(binary);
        let path = path.to_str().unwrap();
        let headers = said("readelf", &["--program-headers", "--dynamic", path]);
        assert!(
            !headers.contains("INTERP") && !headers.contains("(NEEDED)"),
            "{binary}: {headers}"
        );
        assert!(said(path, &["--version"]).contains(env!("CARGO_PKG_VERSION")));
    }
    // each file names the place that the archive is unpacked to
    for path in
        ["lib/systemd/user/ostler.service", "share/dbus-1/services/dev.ostler.Ostler1.service"]
    {
        let unit = fs::read_to_string(dir.path().join(path)).unwrap();
        assert!(unit.contains("/usr/local/libexec/ostlerd"), "{unit}");
    }
}

#[test]
fn makepkg_takes_the_recipe_for_arch_and_it_packages_the_tree() {
    let recipe = text("packaging/arch/PKGBUILD");
    assert!(recipe.contains(&format!("\npkgver={}\n", env!("CARGO_PKG_VERSION"))));
    // makepkg does not run as root, nor in a directory that it cannot write to
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    for file in ["PKGBUILD", "ostler.install"] {
        fs::write(dir.path().join(file), text(&format!("packaging/arch/{file}"))).unwrap();
    }
    let words = ["--clear-groups", "--reuid=65534", "--regid=65534", "makepkg", "--printsrcinfo"];
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(words);
        command
    } else {
        let mut command = Command::new("makepkg");
        command.arg("--printsrcinfo");
        command
    };
    command.current_dir(dir.path()).env("HOME", dir.path());
    let printed = process::run(&mut command, "", PATIENCE).unwrap();
    assert!(printed.status.success(), "{printed:?}");
    assert!(printed.stdout.contains("pkgbase = ostler"), "{printed:?}");

    let Some(tree) = built("OSTLER_TEST_TREE") else { return };
    let profile = std::env::var("OSTLER_TEST_PROFILE").unwrap();
    let script = "set -eu; startdir=$1 pkgdir=$2; . \"$1/PKGBUILD\"; package";
    let arch = source().join("packaging/arch");
    let mut command = Command::new("bash");
    command.args([
        "-c",
        script,
        "bash",
        arch.to_str().unwrap(),
        dir.path().join("pkg").to_str().unwrap(),
    ]);
    let packaged = process::run(command.env("OSTLER_PROFILE", profile), "", PATIENCE).unwrap();
    assert!(packaged.status.success(), "{packaged:?}");
    let mut expected: BTreeSet<String> = files(&tree).into_iter().collect();
    expected.extend(
        ["LICENSE-MIT", "LICENSE-APACHE"].map(|it| format!("/usr/share/licenses/ostler/{it}")),
    );
    assert_eq!(files(&dir.path().join("pkg")).into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn all_packages_do_the_same_in_the_users_sessions() {
    let shared = text("packaging/sessions.sh");
    let install = text("packaging/arch/ostler.install");
    assert!(install.contains(shared.trim_end()), "packaging/arch has another copy");
    for script in ["deb/postinst", "deb/prerm", "deb/postrm", "rpm/post", "rpm/preun", "rpm/postun"]
    {
        let script = text(&format!("packaging/{script}"));
        assert!(script.contains("\n#SESSIONS#\n") || script.starts_with("#SESSIONS#\n"));
        let whole = script.replace("#SESSIONS#", &shared);
        checked_by("sh", &whole);
    }
    checked_by("bash", &install);
    checked_by("bash", &text("packaging/stage"));
    checked_by("bash", &text("packaging/build"));
}

/// A shell finds no mistake in the form of a script.
#[track_caller]
fn checked_by(shell: &str, script: &str) {
    let found = process::run(Command::new(shell).args(["-n"]), script, PATIENCE).unwrap();
    assert!(found.status.success() && found.stderr.is_empty(), "{found:?}");
}

#[test]
fn nix_reads_the_flake_and_the_module_installs_what_it_says() {
    let nix = source().join("packaging/nix");
    for file in ["flake.nix", "package.nix", "home-manager.nix"] {
        let path = nix.join(file);
        said("nix-instantiate", &["--parse", path.to_str().unwrap()]);
    }
    // nixpkgs is not here: the few words of its library that the module uses
    let expression = format!(
        r#"
        let
          lib = {{
            mkEnableOption = it: it; mkOption = it: it; mkIf = yes: it: if yes then it else {{ }};
            types = {{ package = 1; attrsOf = it: it; }};
            optionalAttrs = yes: it: if yes then it else {{ }};
            nameValuePair = name: value: {{ inherit name value; }};
            mapAttrs' = change: set: builtins.listToAttrs
              (map (name: change name set.${{name}}) (builtins.attrNames set));
          }};
          pkgs = {{ formats.toml = _: {{ type = 1; generate = name: it: name; }}; }};
          config.services.ostler = {{
            enable = true; package = "/store"; settings.mode = "lazy"; providers.mine.title = "Mine";
          }};
          module = import {} {{ self = {{ }}; }} {{ inherit config lib pkgs; }};
        in builtins.toJSON (builtins.attrNames module.config.xdg.configFile)
        "#,
        nix.join("home-manager.nix").display()
    );
    let names = said("nix-instantiate", &["--eval", "--strict", "--json", "--expr", &expression]);
    for name in [
        "ostler/ostler.toml",
        "ostler/providers/mine.toml",
        "systemd/user/ostler.socket",
        "systemd/user/default.target.wants/ostler.service",
    ] {
        assert!(names.contains(name), "{name} in {names}");
    }
}

#[test]
fn a_tree_for_another_place_names_that_place() {
    let Some(tree) = built("OSTLER_TEST_TREE") else { return };
    let dir = tempfile::tempdir().unwrap();
    let pages = tree.parent().unwrap().join("pages");
    let binaries = tree.join("usr/bin").to_str().unwrap().to_owned();
    // stage takes both from one directory
    let both = tempfile::tempdir().unwrap();
    fs::copy(Path::new(&binaries).join("ostler"), both.path().join("ostler")).unwrap();
    fs::copy(tree.join("usr/libexec/ostlerd"), both.path().join("ostlerd")).unwrap();
    let stage = source().join("packaging/stage");
    let words = [both.path(), &pages, dir.path()].map(|path| path.to_str().unwrap().to_owned());
    said(stage.to_str().unwrap(), &[&words[0], &words[1], &words[2], "/opt/ostler"]);
    for path in ESSENTIAL {
        assert!(dir.path().join("opt/ostler").join(path).is_file(), "{path}");
    }
    let unit =
        fs::read_to_string(dir.path().join("opt/ostler/lib/systemd/user/ostler.service")).unwrap();
    assert!(unit.contains("ExecStart=/opt/ostler/libexec/ostlerd\n"), "{unit}");
}
