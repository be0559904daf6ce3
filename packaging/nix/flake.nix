# nix build 'REPOSITORY?dir=packaging/nix'
{
  description = "Keeps OAuth tokens fresh for the programs of one user: ssh-agent for OAuth";

  inputs.nixpkgs.url = "nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: {
        default = pkgs.callPackage ./package.nix { };
      });
      homeManagerModules.default = import ./home-manager.nix { inherit self; };
    };
}
