# The package: nix-build, or callPackage from elsewhere.
{
  lib,
  rustPlatform,
  bash,
}:
let
  manifest = (lib.importTOML ../../Cargo.toml).package;
in
rustPlatform.buildRustPackage {
  pname = manifest.name;
  inherit (manifest) version;
  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  buildType = "release";
  # they want a bus, a terminal, and packages of npm
  doCheck = false;
  postBuild = ''
    cargo run --offline --release --example pages -- target/pages
  '';
  # instead of cargo's own, which knows the binaries alone
  installPhase = ''
    runHook preInstall
    binaries=$(dirname "$(find target -name ostlerd -type f -path '*/release/ostlerd' | head -n 1)")
    ${bash}/bin/bash packaging/stage "$binaries" target/pages "$TMPDIR/tree" "$out"
    mkdir -p "$out"
    cp -a "$TMPDIR/tree$out/." "$out/"
    runHook postInstall
  '';
  meta = {
    inherit (manifest) description;
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "ostler";
    platforms = lib.platforms.linux;
  };
}
