package netguard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// StripURL returns err without the *url.Error around it. The text of that has
// the URL, whose query may hold credentials.
func StripURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// Describe says in a few words for a customer what failed between us and a peer:
// "the connection was refused". The text never has a URL.
func Describe(err error) string {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, unknownCA := errors.AsType[x509.UnknownAuthorityError](err)
	_, wrongHost := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case err == nil:
		return "no error"
	case isDNS && dns.IsNotFound:
		return "the host name does not exist"
	case isDNS:
		return "the host name could not be looked up"
	case unknownCA:
		return "its TLS certificate is signed by an unknown authority"
	case wrongHost:
		return "its TLS certificate is for another host name"
	case isInvalid && invalid.Reason == x509.Expired:
		return "its TLS certificate has expired or is not yet valid"
	case isInvalid:
		return "its TLS certificate is not valid"
	case noTLS, errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case alert:
		return "it refused the TLS handshake"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it"
	case errors.Is(err, ErrStalled):
		return "the connection stalled"
	case errors.Is(err, context.DeadlineExceeded), isNet && timeout.Timeout():
		return "it did not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection broke off"
	default:
		return "the connection did not work"
	}
}
