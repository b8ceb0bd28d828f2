package doctor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// A firewall must let in a room's TCP port on the host, and questions to UDP port 5353. On
// the joining side it must let in the answers: they come from UDP port 5353 to the port
// that the question left from. Questions go to a multicast group, so firewalls do not
// recognize the answers as replies.

// firewall asks the firewall programs of this system. Rules are read, never changed.
func (e *examination) firewall(ctx context.Context) {
	switch e.GOOS {
	case "linux":
		e.linuxFirewall(ctx)
	case "darwin":
		e.darwinFirewall(ctx)
	case "windows":
		e.windowsFirewall(ctx)
	}
}

func (e *examination) run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return e.Run(ctx, name, args...)
}

// blocked reports a firewall that is on and blocks something.
func (e *examination) blocked(fix, format string, args ...any) {
	e.firewallFix = fix
	e.warn(fix, format, args...)
}

func (e *examination) linuxFirewall(ctx context.Context) {
	if e.ufw(ctx) || e.firewalld(ctx) || e.nftables(ctx) || e.iptables(ctx) {
		return
	}
	if e.Root {
		e.ok("no firewall blocks connections (checked ufw, firewalld, nftables and iptables)")
		return
	}
	e.ok("ufw and firewalld seem to be off; to check nftables and iptables too, run %s", e.asRoot())
}

// ufw reports whether ufw is on. Its default rules let in multicast to port 5353.
func (e *examination) ufw(ctx context.Context) bool {
	out, err := e.run(ctx, "ufw", "status", "verbose")
	if errors.Is(err, exec.ErrNotFound) {
		return false
	}
	fix := fmt.Sprintf("sudo ufw allow %d/tcp && sudo ufw allow proto udp from any port 5353", e.Port)
	switch {
	case err != nil: // only root may ask
		conf, err := e.ReadFile("/etc/ufw/ufw.conf")
		if err != nil || !strings.Contains(string(conf), "\nENABLED=yes") {
			return false
		}
		e.warn(e.asRoot(), "ufw is enabled; only root can see its rules")
	case !strings.Contains(out, "Status: active"):
		return false
	case strings.Contains(out, "allow (incoming)"):
		e.ok("ufw is on and allows all incoming traffic")
	case ufwAllows(out, strconv.Itoa(e.Port)) && ufwAllows(out, "5353"):
		e.ok("ufw is on and allows TCP port %d and UDP port 5353", e.Port)
	default:
		e.blocked(fix, "ufw is on and lacks a rule for TCP port %d (rooms) or UDP port 5353 (mDNS answers)", e.Port)
	}
	return true
}

// ufwAllows reports whether the status has a rule that allows port.
func ufwAllows(status, port string) bool {
	for line := range strings.Lines(status) {
		before, after, found := strings.Cut(line, "ALLOW")
		if !found {
			continue
		}
		for _, word := range strings.Fields(before + after) {
			if p, _, _ := strings.Cut(word, "/"); p == port {
				return true
			}
		}
	}
	return false
}

// firewalld reports whether firewalld is on.
func (e *examination) firewalld(ctx context.Context) bool {
	state, err := e.run(ctx, "firewall-cmd", "--state")
	if err != nil || strings.TrimSpace(state) != "running" {
		return false
	}
	zone := ""
	if len(e.used) > 0 {
		if out, err := e.run(ctx, "firewall-cmd", "--get-zone-of-interface="+e.used[0].Name); err == nil {
			zone = " --zone=" + strings.TrimSpace(out)
		}
	}
	args := append(strings.Fields(zone), "--list-all")
	out, err := e.run(ctx, "firewall-cmd", args...)
	if err != nil {
		e.warn(e.asRoot(), "firewalld is on but does not show its rules")
		return true
	}
	fields := map[string]string{}
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields[key] = " " + strings.TrimSpace(value) + " "
	}
	const ephemeral = 40000 // stands for the ports that Linux assigns, 32768 to 60999
	room := allows(fields["ports"], e.Port, "tcp")
	questions := strings.Contains(fields["services"], " mdns ") || allows(fields["ports"], 5353, "udp")
	answers := allows(fields["source-ports"], 5353, "udp") || allows(fields["ports"], ephemeral, "udp")
	if strings.TrimSpace(fields["target"]) == "ACCEPT" || room && questions && answers {
		e.ok("firewalld is on and allows rooms and mDNS")
		return true
	}
	e.blocked(fmt.Sprintf("sudo firewall-cmd%s --permanent --add-service=mdns --add-port=%d/tcp --add-source-port=5353/udp && sudo firewall-cmd --reload", zone, e.Port),
		"firewalld is on and blocks %s", missing(room, questions, answers, e.Port))
	return true
}

// missing lists the traffic that a firewall does not allow.
func missing(room, questions, answers bool, port int) string {
	var out []string
	if !room {
		out = append(out, fmt.Sprintf("TCP port %d", port))
	}
	if !questions {
		out = append(out, "mDNS questions to UDP port 5353")
	}
	if !answers {
		out = append(out, "mDNS answers from UDP port 5353")
	}
	return strings.Join(out, ", ")
}

// allows reports whether a list such as "22/tcp 1025-65535/udp" contains port.
func allows(list string, port int, protocol string) bool {
	for _, entry := range strings.Fields(list) {
		ports, proto, _ := strings.Cut(entry, "/")
		low, high, isRange := strings.Cut(ports, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if proto == protocol && err1 == nil && err2 == nil && from <= port && port <= to {
			return true
		}
	}
	return false
}

// nftables reports whether its rules could be read and block anything.
func (e *examination) nftables(ctx context.Context) bool {
	out, err := e.run(ctx, "nft", "list", "ruleset")
	if err != nil {
		return false
	}
	if table, chain := blockedIn(out, e.Port); chain != "" {
		e.blocked(fmt.Sprintf("sudo nft 'insert rule %s %s tcp dport %d accept'", table, chain, e.Port),
			"nftables (table %s, chain %s) has a rule that blocks TCP port %d", table, chain, e.Port)
		return true
	}
	table, chain, rules := strictChain(out)
	if chain == "" {
		return false
	}
	if strings.Contains(rules, strconv.Itoa(e.Port)) && strings.Contains(rules, "5353") {
		e.ok("nftables blocks traffic by default and has rules for TCP port %d and UDP port 5353", e.Port)
		return true
	}
	rule := "insert rule " + table + " " + chain + " "
	e.blocked(fmt.Sprintf("sudo nft '%stcp dport %d accept; %sudp dport 5353 accept; %sudp sport 5353 accept'", rule, e.Port, rule, rule),
		"nftables (table %s, chain %s) blocks traffic by default and lacks rules for TCP port %d and UDP port 5353", table, chain, e.Port)
	return true
}

// iptables reports whether its rules could be read and block anything.
func (e *examination) iptables(ctx context.Context) bool {
	out, err := e.run(ctx, "iptables", "-S", "INPUT")
	if err != nil {
		return false
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	last := lines[len(lines)-1]
	strict := strings.Contains(out, "-P INPUT DROP") ||
		strings.HasPrefix(last, "-A INPUT -j DROP") || strings.HasPrefix(last, "-A INPUT -j REJECT")
	switch {
	case slices.ContainsFunc(lines, func(rule string) bool { return strings.HasPrefix(rule, "-A INPUT ") && blocks(rule, e.Port) }):
		e.blocked(fmt.Sprintf("sudo iptables -I INPUT -p tcp --dport %d -j ACCEPT", e.Port), "iptables has a rule that blocks TCP port %d", e.Port)
		return true
	case !strict:
		return false
	case strings.Contains(out, strconv.Itoa(e.Port)) && strings.Contains(out, "5353"):
		e.ok("iptables blocks traffic by default and has rules for TCP port %d and UDP port 5353", e.Port)
		return true
	}
	const accept = "sudo iptables -I INPUT -p %s -j ACCEPT"
	e.blocked(fmt.Sprintf(accept+" && "+accept+" && "+accept, fmt.Sprintf("tcp --dport %d", e.Port), "udp --dport 5353", "udp --sport 5353"),
		"iptables blocks traffic by default and lacks rules for TCP port %d and UDP port 5353", e.Port)
	return true
}

// blocks reports whether a rule of nftables or iptables blocks a TCP port that it names.
func blocks(rule string, port int) bool {
	words := strings.FieldsFunc(rule, func(r rune) bool { return strings.ContainsRune(" \t\n{},", r) })
	verdict := slices.ContainsFunc(words, func(w string) bool { return w == "drop" || w == "reject" || w == "DROP" || w == "REJECT" })
	if !verdict || !slices.Contains(words, "tcp") {
		return false
	}
	i := slices.IndexFunc(words, func(w string) bool { return strings.HasSuffix(w, "dport") || strings.HasSuffix(w, "dports") })
	for _, w := range words[i+1:] {
		if i >= 0 && allows(strings.ReplaceAll(w, ":", "-")+"/tcp", port, "tcp") {
			return true
		}
	}
	return false
}

// blockedIn returns the first input chain of a ruleset that has a rule against a TCP port, with
// its table.
func blockedIn(ruleset string, port int) (table, chain string) {
	input := false
	for line := range strings.Lines(ruleset) {
		words := strings.Fields(line)
		switch {
		case len(words) >= 3 && words[0] == "table":
			table = words[1] + " " + words[2]
		case len(words) >= 2 && words[0] == "chain":
			chain, input = words[1], false
		case strings.Contains(line, "hook input"):
			input = true
		case input && blocks(line, port):
			return table, chain
		}
	}
	return "", ""
}

// strictChain returns the first input chain of a ruleset that blocks traffic by its policy
// or its last rule, with its table and its rules.
func strictChain(ruleset string) (table, chain, rules string) {
	var inTable, inChain, last string
	var body strings.Builder
	input, strict := false, false
	for line := range strings.Lines(ruleset) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "table" && len(words) >= 3:
			inTable = words[1] + " " + words[2]
		case words[0] == "chain" && len(words) >= 2:
			inChain, last, input, strict = words[1], "", false, false
			body.Reset()
		case words[0] == "}" && inChain != "":
			strict = strict || strings.HasSuffix(last, "drop") || strings.Contains(last, "reject")
			if input && strict {
				return inTable, inChain, body.String()
			}
			inChain = ""
		case strings.Contains(line, "hook input"):
			input, strict = true, strings.Contains(line, "policy drop")
		default:
			// Only a rule without conditions applies to all traffic.
			last = strings.Join(words, " ")
			if words[0] != "drop" && words[0] != "reject" && words[0] != "counter" {
				last = ""
			}
			body.WriteString(line)
		}
	}
	return "", "", ""
}

const socketFilter = "/usr/libexec/ApplicationFirewall/socketfilterfw"

func (e *examination) darwinFirewall(ctx context.Context) {
	out, err := e.run(ctx, socketFilter, "--getglobalstate")
	switch {
	case err != nil:
		e.ok("cannot check the firewall (%s)", reason(err))
		return
	case !strings.Contains(out, "enabled"):
		e.ok("the macOS firewall is off")
		return
	}
	app, err := e.run(ctx, socketFilter, "--getappblocked", e.Program)
	if err == nil && strings.Contains(app, "permitted") {
		e.ok("the macOS firewall is on and allows this program")
		return
	}
	e.blocked(fmt.Sprintf(`sudo %s --add "%s" --unblockapp "%[2]s"`, socketFilter, e.Program),
		"the macOS firewall is on and blocks this program: others cannot join a room here")
}

func (e *examination) windowsFirewall(ctx context.Context) {
	out, err := e.run(ctx, "netsh", "advfirewall", "show", "currentprofile", "state")
	if err != nil {
		e.ok("cannot check the firewall (%s)", reason(err))
		return
	}
	// The output is in the system's language; only English is understood.
	if words := strings.Fields(out); strings.Contains(out, "State") && !slices.Contains(words, "ON") {
		e.ok("the Windows firewall is off for this network")
		return
	}
	if rule, err := e.run(ctx, "netsh", "advfirewall", "firewall", "show", "rule", "name=chat"); err == nil && rule != "" {
		e.ok("the Windows firewall has a rule named chat")
		return
	}
	e.blocked(e.windowsRule(), "the Windows firewall has no rule named chat: unless you allowed chat when Windows asked, others cannot join a room here, and rooms cannot be found (run the command as administrator)")
}

func (e *examination) windowsRule() string {
	return fmt.Sprintf(`netsh advfirewall firewall add rule name=chat dir=in action=allow program="%s"`, e.Program)
}
