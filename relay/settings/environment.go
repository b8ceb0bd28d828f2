package settings

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// mayBeEmpty lists the variables that count as unset if they are empty. Any other empty variable is an
// error: a service or a script that lost a value must not open another room than was meant, such as
// a room in memory, or an unsealed room.
var mayBeEmpty = []string{
	"CHAT_NICK", "CHAT_ROOM", "CHAT_IDENTITY", "CHAT_ADDR",
	"CHAT_PLAIN", "CHAT_ACCESSIBLE", "CHAT_QUIET", "CHAT_MOUSE",
}

// CheckEnvironment checks the environment variables of a command before urfave/cli reads them. It unsets
// those that count as unset, and lets switches be words: yes, on, no or off instead of 1 or 0, which
// it changes to what urfave/cli reads. The error is for people.
func CheckEnvironment(command *cli.Command) error {
	for _, f := range command.Flags {
		for _, name := range f.(cli.DocGenerationFlag).GetEnvVars() {
			value, set := os.LookupEnv(name)
			switch {
			case !set:
				continue
			case value == "" && slices.Contains(mayBeEmpty, name):
				os.Unsetenv(name)
				continue
			case value == "":
				return fmt.Errorf("the environment variable %s is empty\nhint: set it to a value, or unset it", name)
			}
			if err := checkVariable(f, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkVariable checks the value of a flag's variable.
func checkVariable(f cli.Flag, name, value string) error {
	switch f.(type) {
	case *cli.BoolFlag:
		switch strings.ToLower(value) {
		case "yes", "y", "on":
			os.Setenv(name, "true")
		case "no", "n", "off":
			os.Setenv(name, "false")
		default:
			if _, err := strconv.ParseBool(value); err != nil {
				return fmt.Errorf("invalid %s=%s in the environment\nhint: use 1 or 0", name, value)
			}
		}
	case *cli.IntFlag:
		if _, err := strconv.Atoi(value); err != nil {
			return fmt.Errorf("invalid %s=%s in the environment\nhint: use a whole number", name, value)
		}
	case *cli.DurationFlag:
		if _, err := time.ParseDuration(value); err != nil {
			return fmt.Errorf("invalid %s=%s in the environment\nhint: use a time with its unit, e.g. 5s", name, value)
		}
	case *cli.StringSliceFlag:
		for _, item := range strings.Split(value, ",") {
			if strings.TrimSpace(item) == "" {
				return fmt.Errorf("an item of %s=%s in the environment is empty\nhint: separate items by single commas", name, value)
			}
		}
	}
	return nil
}
