package netguard

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"

	"github.com/copra-video/copra/job"
)

// Permanent reports whether another attempt of a request would fail in the same
// way: an address that the guard refuses, a host that does not exist, a
// certificate that is not valid, no TLS where it is required.
func Permanent(err error) bool {
	_, refused := errors.AsType[*job.Error](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	return refused || isDNS && dns.IsNotFound || cert || host || noTLS || errors.Is(err, http.ErrSchemeMismatch)
}
