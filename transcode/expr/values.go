package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func numberOf(n node, v Vars) (float64, error) {
	val, err := n.eval(v)
	if err != nil {
		return 0, err
	}
	return toNumber(val)
}

// toNumber reads a value as a number. A text that is a number counts as one,
// because ffprobe gives numbers as strings.
func toNumber(val any) (float64, error) {
	switch val := val.(type) {
	case float64:
		return val, nil
	case string:
		if s := strings.TrimSpace(val); isPlainNumber(s) {
			if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) <= maxNumber {
				return f, nil
			}
		}
	}
	return 0, fmt.Errorf("%s is no number", show(val))
}

// isPlainNumber reports whether a text is a number. "inf", "0x10" and "1e5", which
// ParseFloat reads, stay texts.
func isPlainNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789.+-") == ""
}

func truthOf(n node, v Vars) (bool, error) {
	val, err := n.eval(v)
	if err != nil {
		return false, err
	}
	return truth(val)
}

// truth reads a value as true or false; a number is true unless it is 0.
func truth(val any) (bool, error) {
	switch val := val.(type) {
	case bool:
		return val, nil
	case float64:
		return val != 0, nil
	case string:
		switch strings.ToLower(val) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return false, fmt.Errorf("%s is neither true nor false: write a comparison", show(val))
}

// textOf prints a value; a whole number without a fraction.
func textOf(val any) (string, error) {
	switch val := val.(type) {
	case string:
		return val, nil
	case bool:
		return strconv.FormatBool(val), nil
	case float64:
		if val == 0 {
			return "0", nil // not "-0"
		}
		return strconv.FormatFloat(val, 'f', -1, 64), nil
	}
	return "", errors.New("an array must be the whole value, with no text around it")
}

// show names a value in an error.
func show(val any) string {
	if s, ok := val.(string); ok {
		return fmt.Sprintf("the text %q", clip(s))
	}
	if s, err := textOf(val); err == nil {
		return s
	}
	return "an array"
}

func isList(v any) bool   { _, ok := v.([]any); return ok }
func isBool(v any) bool   { _, ok := v.(bool); return ok }
func isString(v any) bool { _, ok := v.(string); return ok }
