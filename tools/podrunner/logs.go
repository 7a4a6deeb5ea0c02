package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"
)

// serveLogs answers what the API server asks kubelets for `kubectl logs`, and
// returns the port.
func (r *runner) serveLogs(ctx context.Context) (port int, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(r.options.address)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return 0, fmt.Errorf("make a certificate: %w", err)
	}
	listener, err := net.Listen("tcp", r.options.address+":0")
	if err != nil {
		return 0, fmt.Errorf("serve logs: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, req *http.Request) {
		name := fmt.Sprintf("%s_%s_%s.log", req.PathValue("namespace"), req.PathValue("pod"), req.PathValue("container"))
		if strings.ContainsAny(name, "/\\") {
			http.NotFound(w, req)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		http.ServeFile(w, req, filepath.Join(r.dir, "logs", name))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return listener.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // it is one of TCP
}
