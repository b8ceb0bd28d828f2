package discovery

import (
	"slices"
	"strings"
	"testing"
)

func TestTitlesAreSortedAsPeopleDo(t *testing.T) {
	want := []string{"", "10", "annex", "Room", "room 1", "ROOM 2", "room 2a", "room 10", "room 010", "room 99999999999999999999998", "room 99999999999999999999999", "room x"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, compareTitles)
	if !slices.Equal(got, want) {
		t.Errorf("sorted as %q, want %q", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}
