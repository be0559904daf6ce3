# A module of home-manager: services.ostler.enable = true;
{ self }:
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.ostler;
  toml = pkgs.formats.toml { };
in
{
  options.services.ostler = {
    enable = lib.mkEnableOption "ostler, which keeps OAuth tokens fresh";
    package = lib.mkOption {
      type = lib.types.package;
      default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
      description = "The package.";
    };
    settings = lib.mkOption {
      inherit (toml) type;
      default = { };
      example = {
        mode = "warm";
      };
      description = "The settings: see ostler.toml(5).";
    };
    providers = lib.mkOption {
      type = lib.types.attrsOf toml.type;
      default = { };
      description = "Definitions of providers by their id: see ostler-provider(5).";
    };
  };

  config = lib.mkIf cfg.enable {
    home.packages = [ cfg.package ];
    # the package's own units, not copies of them
    xdg.configFile =
      {
        "systemd/user/ostler.service".source = "${cfg.package}/lib/systemd/user/ostler.service";
        "systemd/user/ostler.socket".source = "${cfg.package}/lib/systemd/user/ostler.socket";
        "systemd/user/sockets.target.wants/ostler.socket".source =
          "${cfg.package}/lib/systemd/user/ostler.socket";
        "systemd/user/default.target.wants/ostler.service".source =
          "${cfg.package}/lib/systemd/user/ostler.service";
      }
      // lib.optionalAttrs (cfg.settings != { }) {
        "ostler/ostler.toml".source = toml.generate "ostler.toml" cfg.settings;
      }
      // lib.mapAttrs' (
        id: definition:
        lib.nameValuePair "ostler/providers/${id}.toml" {
          source = toml.generate "${id}.toml" ({ inherit id; } // definition);
        }
      ) cfg.providers;
    xdg.dataFile."dbus-1/services/dev.ostler.Ostler1.service".source =
      "${cfg.package}/share/dbus-1/services/dev.ostler.Ostler1.service";
  };
}
