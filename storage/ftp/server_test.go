package ftp

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// ftpServer is a small FTP server over real files (RFC 959, 2389, 2428, 3659,
// 4217), whose behaviour can be set.
type ftpServer struct {
	addr string
	dir  string
	tls  *tls.Config
	// Behaviour.
	implicit  bool   // TLS from the first byte
	noSize    bool   // does not support SIZE
	noRest    bool   // does not support REST
	noEPSV    bool   // does not support EPSV
	pasvIP    string // what PASV answers instead of its own address
	noReplace bool   // RNTO refuses what exists, as on Windows
	discard   bool
	// onData sees each data connection before it is used.
	onData func(command string, c net.Conn) net.Conn
	deny   map[string]string // command to reply
	// onCommand sees each command before it is carried out.
	onCommand func(command string)

	mu     sync.Mutex
	total  int64
	logins int
	conns  map[net.Conn]bool
}

func start(t *testing.T, s *ftpServer) *ftpServer {
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	s.conns = map[net.Conn]bool{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.mu.Unlock()
			wg.Go(func() {
				(&ftpSession{s: s, c: c}).serve()
				c.Close()
				s.mu.Lock()
				delete(s.conns, c)
				s.mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for c := range s.conns {
			c.Close()
		}
		s.mu.Unlock()
		wg.Wait()
	})
	return s
}

type ftpSession struct {
	s       *ftpServer
	c       net.Conn
	user    string
	offset  int64
	from    string
	private bool // PROT P
	data    net.Listener
}

func (f *ftpSession) reply(format string, args ...any) { fmt.Fprintf(f.c, format+"\r\n", args...) }

func (f *ftpSession) serve() {
	defer func() {
		if f.data != nil {
			f.data.Close()
		}
	}()
	if f.s.implicit {
		f.c = tls.Server(f.c, f.s.tls)
	}
	f.reply("220 ready")
	r := bufio.NewReader(f.c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		command, arg, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		command = strings.ToUpper(command)
		if reply, ok := f.s.deny[command]; ok {
			f.reply("%s", reply)
			continue
		}
		if command == "AUTH" && f.s.tls != nil {
			f.reply("234 go on")
			f.c = tls.Server(f.c, f.s.tls)
			r = bufio.NewReader(f.c)
			continue
		}
		if command == "QUIT" {
			f.reply("221 bye")
			return
		}
		if f.s.onCommand != nil {
			f.s.onCommand(command)
		}
		f.do(command, arg)
	}
}

func (f *ftpSession) do(command, arg string) {
	name := filepath.Join(f.s.dir, filepath.FromSlash(arg))
	switch command {
	case "USER":
		f.user = arg
		f.reply("331 password?")
	case "PASS":
		f.s.mu.Lock()
		f.s.logins++
		f.s.mu.Unlock()
		if f.user == "us@er" && arg == "pa:ss" || f.user == "anonymous" {
			f.reply("230 hello")
		} else {
			f.reply("530 no")
		}
	case "FEAT":
		f.reply("211-features\r\n UTF8\r\n EPSV\r\n211 end")
	case "TYPE", "OPTS", "NOOP", "PBSZ":
		f.reply("200 ok")
	case "PROT":
		f.private = true
		f.reply("200 ok")
	case "SIZE":
		st, err := os.Stat(name)
		switch {
		case f.s.noSize:
			f.reply("502 what?")
		case err != nil || st.IsDir():
			f.reply("550 no such file")
		default:
			f.reply("213 %d", st.Size())
		}
	case "REST":
		if f.s.noRest {
			f.reply("502 what?")
			return
		}
		f.offset, _ = strconv.ParseInt(arg, 10, 64)
		f.reply("350 go on")
	case "MKD":
		if os.Mkdir(name, 0o700) != nil {
			f.reply("550 exists")
			return
		}
		f.reply("257 made")
	case "DELE":
		if os.Remove(name) != nil {
			f.reply("550 no such file")
			return
		}
		f.reply("250 gone")
	case "RNFR":
		f.from = name
		f.reply("350 to?")
	case "RNTO":
		if _, err := os.Stat(name); err == nil && f.s.noReplace || os.Rename(f.from, name) != nil {
			f.reply("553 no")
			return
		}
		f.reply("250 done")
	case "EPSV", "PASV":
		f.passive(command)
	case "RETR", "STOR":
		f.transfer(command, name)
	default:
		f.reply("502 what?")
	}
}

func (f *ftpSession) passive(command string) {
	if command == "EPSV" && f.s.noEPSV {
		f.reply("502 what?")
		return
	}
	if f.data != nil {
		f.data.Close()
	}
	f.data, _ = net.Listen("tcp", "127.0.0.1:0")
	port := f.data.Addr().(*net.TCPAddr).Port
	if command == "EPSV" {
		f.reply("229 ok (|||%d|)", port)
		return
	}
	ip := "127,0,0,1"
	if f.s.pasvIP != "" {
		ip = f.s.pasvIP
	}
	f.reply("227 ok (%s,%d,%d)", ip, port>>8, port&255)
}

func (f *ftpSession) transfer(command, name string) {
	offset := f.offset
	f.offset = 0
	var file *os.File
	var err error
	if command == "RETR" {
		file, err = os.Open(name)
	} else if !f.s.discard {
		file, err = os.Create(name)
	}
	if err != nil {
		f.reply("550 %s", "no such file")
		return
	}
	if file != nil {
		defer file.Close()
		file.Seek(offset, io.SeekStart)
	}
	f.reply("150 here it comes")
	c, err := f.data.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	if f.private {
		t := tls.Server(c, f.s.tls)
		if t.Handshake() != nil {
			f.reply("425 no TLS")
			return
		}
		c = t
	}
	if f.s.onData != nil {
		if c = f.s.onData(command, c); c == nil {
			f.reply("426 broken")
			return
		}
	}
	if command == "RETR" {
		_, err = io.Copy(c, file)
	} else {
		var w io.Writer = file
		if f.s.discard {
			w = io.Discard
		}
		var n int64
		n, err = io.Copy(struct{ io.Writer }{w}, c)
		f.s.mu.Lock()
		f.s.total += n
		f.s.mu.Unlock()
	}
	c.Close()
	if err != nil {
		f.reply("426 broken")
		return
	}
	f.reply("226 done")
}
