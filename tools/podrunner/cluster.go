package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// cluster is the API server.
type cluster struct {
	server string
	token  string
	client *http.Client
}

func newCluster(server, tokenFile, caFile string) (*cluster, error) {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("read the token: %w", err)
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read the certificates: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificates", caFile)
	}
	return &cluster{server: server, token: strings.TrimSpace(string(token)), client: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 32},
	}}, nil
}

// statusError is an answer that is not a success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func isStatus(err error, status int) bool {
	e := (*statusError)(nil)
	return errors.As(err, &e) && e.status == status
}

// do sends body as JSON, which may be nil, and reads the answer into out, which
// may be nil too.
func (c *cluster) do(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	res, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return nil
}

func (c *cluster) send(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var reader io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		reader = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, reader)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := c.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		res.Body.Close()
		return nil, &statusError{res.StatusCode, fmt.Sprintf("%s %s: %s: %s", method, path, res.Status, text)}
	}
	return res, nil
}

// errWatchEnded is the usual end of a watch: the server ends each after minutes.
var errWatchEnded = errors.New("the watch has ended")

// watchPods calls changed with all pods, and then with every change.
func (c *cluster) watchPods(ctx context.Context, changed func(kind string, p *pod)) error {
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []pod `json:"items"`
	}
	if err := c.do(ctx, http.MethodGet, "/api/v1/pods", nil, &list); err != nil {
		return err
	}
	for i := range list.Items {
		changed("ADDED", &list.Items[i])
	}
	res, err := c.send(ctx, http.MethodGet, "/api/v1/pods?watch=1&resourceVersion="+list.Metadata.ResourceVersion, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	decoder := json.NewDecoder(res.Body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return errors.Join(errWatchEnded, err)
		}
		if event.Type == "ERROR" {
			return errWatchEnded
		}
		var p pod
		if err := json.Unmarshal(event.Object, &p); err != nil {
			return fmt.Errorf("read a pod: %w", err)
		}
		changed(event.Type, &p)
	}
}

// data returns the keys of a ConfigMap or, decoded, of a Secret.
func (c *cluster) data(ctx context.Context, namespace, resource, name string) (map[string]string, error) {
	path := fmt.Sprintf("/api/v1/namespaces/%s/%s/%s", namespace, resource, name)
	if resource == "configmaps" {
		var o struct{ Data map[string]string }
		err := c.do(ctx, http.MethodGet, path, nil, &o)
		return o.Data, err
	}
	var o struct{ Data map[string][]byte }
	if err := c.do(ctx, http.MethodGet, path, nil, &o); err != nil {
		return nil, err
	}
	all := map[string]string{}
	for key, value := range o.Data {
		all[key] = string(value)
	}
	return all, nil
}
