# A Nix expression: nix-build chat.nix, or pkgs.callPackage ./chat.nix { }.
{ pkgs ? import <nixpkgs> { }, lib ? pkgs.lib, stdenvNoCC ? pkgs.stdenvNoCC, fetchurl ? pkgs.fetchurl, installShellFiles ? pkgs.installShellFiles }:

let
  sources = {
    {{- range $system, $target := .NixSystems}}
    {{- with index $.Archives $target}}
    {{$system}} = fetchurl {
      url = "{{.URL}}";
      hash = "{{.SRI}}";
    };
    {{- end}}
    {{- end}}
  };
  system = stdenvNoCC.hostPlatform.system;
in
stdenvNoCC.mkDerivation {
  pname = "chat";
  version = "{{.Version}}";
  src = sources.${system} or (throw "chat has no binary for ${system}");
  nativeBuildInputs = [ installShellFiles ];
  dontConfigure = true;
  dontBuild = true;
  dontStrip = true;

  installPhase = ''
    runHook preInstall
    install -D -m 755 chat $out/bin/chat
    installManPage chat.1
    installShellCompletion --bash --name chat completions/chat.bash
    installShellCompletion --zsh completions/_chat
    installShellCompletion --fish completions/chat.fish
    install -D -m 644 -t $out/share/doc/chat README.md THIRD_PARTY_LICENSES.txt
    runHook postInstall
  '';

  meta = {
    description = "Chat room for the people on one network";
    platforms = lib.attrNames sources;
    sourceProvenance = [ lib.sourceTypes.binaryNativeCode ];
    mainProgram = "chat";
  };
}
