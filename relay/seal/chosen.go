package seal

import (
	"fmt"
	"os"

	"chat/relay/privatefile"
)

// MaxSecretFile is the limit of a file with a secret, in bytes.
const MaxSecretFile = 4 << 10

// ChosenSecret returns the secret that the user keeps in file, which only they can read, or if file is ""
// in $CHAT_SECRET; and where it is from. "": there is none. hint says what to do instead of a secret that cannot be used.
func ChosenSecret(file, hint string) (secret Secret, from string, err error) {
	if file != "" {
		b, err := privatefile.Read(file, MaxSecretFile)
		if err != nil {
			return "", "", fmt.Errorf("read the secret: %w", err)
		}
		return SecretFrom(file, b, hint)
	}
	if env := os.Getenv("CHAT_SECRET"); env != "" {
		return SecretFrom("$CHAT_SECRET", []byte(env), hint)
	}
	return "", "", nil
}

// SecretFrom is ChosenSecret for a secret that was read already. Its error does not repeat it.
func SecretFrom(from string, content []byte, hint string) (Secret, string, error) {
	secret, err := ParseSecret(string(content))
	if err != nil {
		return "", "", fmt.Errorf("the secret from %s cannot be used: %w\nhint: %s", from, err, hint)
	}
	return secret, from, nil
}
