package nopanic

import (
	"errors"
	"strings"
	"testing"
)

// parse stands in for a parser that trips over some of its input.
func parse(rows []string, at int) (first string, err error) {
	defer Recover(&err)
	if at < 0 {
		return "", errNegative
	}
	return rows[at], nil
}

var errNegative = errors.New("a row has a number from 0")

func TestRecover(t *testing.T) {
	rows := []string{"a"}
	if _, err := parse(rows, 1); !errors.Is(err, ErrPanic) || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("a panic gives %v", err)
	}
	if _, err := parse(rows, -1); !errors.Is(err, errNegative) || errors.Is(err, ErrPanic) {
		t.Errorf("an error gives %v", err)
	}
	if got, err := parse(rows, 0); got != "a" || err != nil {
		t.Errorf("a result gives %q, %v", got, err)
	}
}
