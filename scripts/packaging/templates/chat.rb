# A Homebrew formula. Put it into the folder Formula of a tap.
class Chat < Formula
  desc "Chat room for the people on one network"
  homepage "{{.URL}}"
  version "{{.Version}}"

  {{- define "download"}}
      url "{{.URL}}"
      sha256 "{{.SHA256}}"
  {{- end}}

  on_macos do
    on_arm do
      {{- template "download" index .Archives "darwin/arm64"}}
    end
    on_intel do
      {{- template "download" index .Archives "darwin/amd64"}}
    end
  end

  on_linux do
    on_arm do
      {{- template "download" index .Archives "linux/arm64"}}
    end
    on_intel do
      {{- template "download" index .Archives "linux/amd64"}}
    end
  end

  def install
    bin.install "chat"
    man1.install "chat.1"
    bash_completion.install "completions/chat.bash" => "chat"
    zsh_completion.install "completions/_chat"
    fish_completion.install "completions/chat.fish"
    doc.install "README.md", "THIRD_PARTY_LICENSES.txt", "relay"
  end

  service do
    run [opt_bin/"chat", "host", "--headless", "--history", var/"chat/room.chat"]
    keep_alive true
    working_dir var/"chat"
    log_path var/"log/chat.log"
    error_log_path var/"log/chat.log"
  end

  def post_install
    (var/"chat").mkpath
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/chat version")
  end
end
