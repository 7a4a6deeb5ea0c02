package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
)

// Parser reads the value of a setting into the variable that it was made for.
type Parser func(string) error

// Text takes any text.
func Text(p *string) Parser {
	return func(v string) error { *p = v; return nil }
}

// Secret takes any text and keeps it out of logs.
func Secret(p *job.Secret) Parser {
	return func(v string) error { *p = job.NewSecret(v); return nil }
}

// List takes any text and may be given several times.
func List(p *[]string) Parser {
	return func(v string) error { *p = append(*p, v); return nil }
}

// Number takes whole numbers from least to most.
func Number(p *int, least, most int) Parser {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", v, least, most)
		}
		*p = n
		return nil
	}
}

// size takes what Number takes, counted in units of so many bytes.
func size(p *int64, unit int64, least, most int) Parser {
	return func(v string) error {
		var n int
		if err := Number(&n, least, most)(v); err != nil {
			return err
		}
		*p = int64(n) * unit
		return nil
	}
}

// Duration takes durations such as 10m, from least.
func Duration(p *time.Duration, least time.Duration) Parser {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < least {
			return fmt.Errorf("%q is not a duration from %s, such as 10m", v, least)
		}
		*p = d
		return nil
	}
}

// URL takes http and https addresses, and cuts off a slash at the end.
func URL(p *string) Parser {
	return func(v string) error {
		u, err := url.Parse(v)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
			return fmt.Errorf("%q is not an address such as http://host:port", v)
		}
		*p = strings.TrimRight(v, "/")
		return nil
	}
}

// filterPath takes a path that can be part of a filter of ffmpeg as it is.
func filterPath(p *string) Parser {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/._-", r)
	}
	return func(v string) error {
		if !strings.HasPrefix(v, "/") || strings.ContainsFunc(v, odd) {
			return fmt.Errorf("%q is no path such as /srv/fonts, of letters, digits and ._-", v)
		}
		*p = v
		return nil
	}
}

// plainURL takes what URL takes without a password, which would show in errors. Its place
// is in the variable credential.
func plainURL(p *string, credential string) Parser {
	return func(v string) error {
		if u, err := url.Parse(v); err == nil && u.User != nil {
			return errors.New("the address may hold no user and no password; put its credential into " + credential)
		}
		return URL(p)(v)
	}
}

func oneOf(p *string, words ...string) Parser {
	return func(v string) error {
		if !slices.Contains(words, v) {
			return fmt.Errorf("%q is not %s", v, strings.Join(words, " or "))
		}
		*p = v
		return nil
	}
}

// oneOrMoreOf takes words separated by commas.
func oneOrMoreOf(p *[]string, words ...string) Parser {
	return func(v string) error {
		var list []string
		for _, w := range split(v) {
			if !slices.Contains(words, w) {
				return fmt.Errorf("%q is not %s", w, strings.Join(words, " or "))
			}
			if !slices.Contains(list, w) {
				list = append(list, w)
			}
		}
		*p = list
		return nil
	}
}

func onOff(p *bool) Parser {
	return func(v string) error {
		if v != "on" && v != "off" {
			return fmt.Errorf("%q is not on or off", v)
		}
		*p = v == "on"
		return nil
	}
}

func level(p *slog.Level) Parser {
	return func(v string) error {
		if err := p.UnmarshalText([]byte(v)); err != nil {
			return fmt.Errorf("%q is not debug, info, warn or error", v)
		}
		return nil
	}
}

// networks takes networks separated by commas and may be given several times.
func networks(p *[]netip.Prefix) Parser {
	return func(v string) error {
		list, err := netguard.ParseNetworks(split(v))
		*p = append(*p, list...)
		return err
	}
}

// pairs takes name=value pairs separated by commas and may be given several
// times.
func pairs(p *map[string]string) Parser {
	return func(v string) error {
		if *p == nil {
			*p = map[string]string{}
		}
		for _, pair := range split(v) {
			name, value, ok := strings.Cut(pair, "=")
			if !ok || name == "" || value == "" {
				return fmt.Errorf("%q is not encoder=preset, such as libx264=medium", pair)
			}
			(*p)[name] = value
		}
		return nil
	}
}

func split(v string) []string {
	list := strings.Split(v, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// uid takes the name or number of a user of this system.
func uid(p *int) Parser {
	return func(v string) error {
		id, err := strconv.Atoi(v)
		if u, lookup := user.Lookup(v); lookup == nil {
			id, err = strconv.Atoi(u.Uid)
		}
		if err != nil || id < 0 {
			return fmt.Errorf("%q is not a user of this system or a number", v)
		}
		*p = id
		return nil
	}
}
