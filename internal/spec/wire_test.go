package spec

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// wire is the network that the rows see: servers of a few protocols, which
// answer at "recorder:80", "recorder:443", "recorder:21" and "recorder:22" in
// requests, and names of others, which lead to an address that nobody dials. It
// writes down what it is asked.
type wire struct {
	mu    sync.Mutex
	lines []string
	names *strings.Replacer // recorder:80 -> 127.0.0.1:43211
	back  *strings.Replacer
}

// nowhere is what names of others lead to. It is reserved for documentation
// (RFC 5737), and the guard refuses it.
var nowhere = [4]byte{192, 0, 2, 1}

func newWire(t *testing.T) *wire {
	w := &wire{}
	plain := httptest.NewServer(http.HandlerFunc(w.http))
	t.Cleanup(plain.Close)
	at := map[string]string{"recorder:80": plain.Listener.Addr().String()}
	for name, serve := range map[string]func(net.Conn){"recorder:443": w.tls, "recorder:21": w.ftp, "recorder:22": w.ssh} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		at[name] = l.Addr().String()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					serve(c)
				}()
			}
		}()
	}
	var there, back []string
	for name, addr := range at {
		there, back = append(there, name, addr), append(back, addr, name)
	}
	w.names, w.back = strings.NewReplacer(there...), strings.NewReplacer(back...)

	system := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: w.resolver}
	t.Cleanup(func() { net.DefaultResolver = system })
	return w
}

func (w *wire) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, w.back.Replace(fmt.Sprintf(format, args...)))
}

// took returns what was written down since the last call.
func (w *wire) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := w.lines
	w.lines = nil
	return lines
}

// large is the size of what the server has at "/large".
const large = 2 << 20

// http answers every method with success, but at a few paths.
func (w *wire) http(rw http.ResponseWriter, r *http.Request) {
	w.note("%s %s", r.Method, r.URL.RequestURI())
	w.headers(r)
	if w.cloud(rw, r) {
		return
	}
	switch r.URL.Path {
	case "/403":
		rw.WriteHeader(http.StatusForbidden)
		return
	case "/around":
		http.Redirect(rw, r, "/around", http.StatusFound)
		return
	case "/broken": // promises more than it sends
		rw.Header().Set("Content-Length", "1000")
		return
	case "/no-such-bucket/a.mp4":
		rw.WriteHeader(http.StatusNotFound)
		fmt.Fprint(rw, `<Error><Code>NoSuchBucket</Code><Message>The bucket does not exist</Message></Error>`)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		size := 4
		if r.URL.Path == "/large" {
			size = large
		}
		http.ServeContent(rw, r, "", time.Unix(1e9, 0), bytes.NewReader(make([]byte, size)))
	case http.MethodPost:
		w.form(r)
	case http.MethodPut:
		_, _ = io.Copy(io.Discard, r.Body)
		rw.Header().Set("ETag", `"0"`)
		rw.WriteHeader(http.StatusCreated) // Azure's answer, which the others take too
	}
}

var scope = regexp.MustCompile(`Credential=([^/]*)/\d+/([^/]*)/([^/]*)/`)

// told are headers whose values say something of the request that was made.
var told = []string{
	"Cache-Control", "Content-Type", "Expires", "Pinata_api_key", "Pinata_secret_api_key", "User-Agent", "Webhook-Id", "Webhook-Signature",
	"Webhook-Timestamp", "X-Amz-Acl", "X-Amz-Storage-Class", "X-Auth-Token", "X-Bz-File-Name",
}

func (w *wire) headers(r *http.Request) {
	auth := r.Header.Get("Authorization")
	if m := scope.FindStringSubmatch(auth); m != nil {
		w.note("  signed by %s for %s in %s", m[1], m[3], m[2])
	} else if user, password, ok := r.BasicAuth(); ok {
		w.note("  authorization %s:%s", user, password)
	} else if scheme, account, ok := strings.Cut(auth, " "); ok {
		account, _, _ = strings.Cut(account, ":")
		w.note("  authorization %s %s", scheme, account)
	}
	for _, name := range told {
		v := r.Header.Get(name)
		if kind, _, err := mime.ParseMediaType(v); err == nil && name == "Content-Type" {
			v = kind // without the boundary of a form
		}
		if v == "" || name == "User-Agent" && !strings.HasPrefix(v, "Copra") {
			continue
		}
		if name == "Webhook-Timestamp" {
			v = "(now)"
		}
		w.note("  %s: %s", name, v)
	}
}

// form writes down the fields of a form.
func (w *wire) form(r *http.Request) {
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "multipart/form-data":
		for parts := multipart.NewReader(r.Body, params["boundary"]); ; {
			p, err := parts.NextPart()
			if err != nil {
				return
			}
			value, _ := io.ReadAll(p)
			if p.FileName() != "" {
				value = fmt.Appendf(nil, "a file %q of type %s", p.FileName(), p.Header.Get("Content-Type"))
			}
			w.note("  field %s = %s", p.FormName(), value)
		}
	case "application/x-www-form-urlencoded":
		body, _ := io.ReadAll(r.Body)
		values, _ := url.ParseQuery(string(body))
		for _, name := range sorted(values) {
			w.note("  field %s = %s", name, values.Get(name))
		}
	case "application/json":
		body, _ := io.ReadAll(r.Body)
		for _, line := range flatten(body) {
			w.note("  %s", line)
		}
	}
}

// tls writes down that a client begins TLS, and ends it: nobody trusts us.
func (w *wire) tls(c net.Conn) {
	refused := errors.New("written down")
	_ = tls.Server(c, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		w.note("TLS to recorder:443")
		return nil, refused
	}}).Handshake()
}

// ftp writes down the login and refuses it.
func (w *wire) ftp(c net.Conn) {
	fmt.Fprint(c, "220 recorder\r\n")
	for in := bufio.NewScanner(c); in.Scan(); {
		if !isText(in.Text()) {
			w.note("TLS to recorder:21")
			return
		}
		verb, _, _ := strings.Cut(in.Text(), " ")
		if verb == "QUIT" { // which comes when it comes
			return
		}
		w.note("FTP %s", in.Text())
		switch verb {
		case "USER":
			fmt.Fprint(c, "331 password\r\n")
		case "AUTH":
			fmt.Fprint(c, "502 no TLS\r\n")
		default:
			fmt.Fprint(c, "530 written down\r\n")
		}
	}
}

func isText(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// ssh writes down what a client calls its protocol.
func (w *wire) ssh(c net.Conn) {
	fmt.Fprint(c, "SSH-2.0-recorder\r\n")
	line, _ := bufio.NewReader(c).ReadString('\n')
	proto, _, _ := strings.Cut(line, "-Go")
	w.note("SSH to recorder:22: %s", strings.TrimSpace(proto))
}

// resolver answers for every name with nowhere, and writes the name down. It
// speaks DNS over TCP (RFC 1035 section 4.2.2).
func (w *wire) resolver(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer ours.Close()
		for {
			var size uint16
			if binary.Read(ours, binary.BigEndian, &size) != nil {
				return
			}
			query := make([]byte, size)
			if _, err := io.ReadFull(ours, query); err != nil {
				return
			}
			answer, err := w.resolve(query)
			if err != nil {
				return
			}
			if _, err := ours.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
				return
			}
		}
	}()
	return theirs, nil
}

func (w *wire) resolve(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	q := m.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	if q.Type == dnsmessage.TypeA {
		w.note("connects to %s", strings.TrimSuffix(q.Name.String(), "."))
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: nowhere},
		}}
	}
	return answer.Pack()
}

// basic is the header for an API key.
func basic(key string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":")) }

// unique is a list without repeats, in its order.
func unique(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
