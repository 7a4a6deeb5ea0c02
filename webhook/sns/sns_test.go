package sns

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
)

// recorder answers as SNS does and keeps the form of the last request.
func recorder(t *testing.T, status int, code string) (*httptest.Server, *url.Values, *http.Header) {
	var form url.Values
	var header http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ = url.ParseQuery(string(body))
		header = r.Header
		w.WriteHeader(status)
		if code != "" {
			fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>words of Amazon</Message></Error></ErrorResponse>", code)
			return
		}
		fmt.Fprint(w, "<PublishResponse><PublishResult><MessageId>m1</MessageId></PublishResult></PublishResponse>")
	}))
	t.Cleanup(srv.Close)
	return srv, &form, &header
}

func delivery(topic string) job.Delivery {
	return job.Delivery{JobID: "vdq1fShawHzyz3", N: 2, Body: []byte(`{"job_id":"vdq1fShawHzyz3","a":"<&ü>"}`), Notification: job.Notification{
		Type: "sns", Region: "eu-west-1", TopicARN: topic,
		Params:      map[string]string{"video": "12", "user[id]": "7", "a b": "c", "empty": "", "AWS.x": "y", "[]": "z"},
		Credentials: map[string]job.Secret{"access_key_id": job.NewSecret("AKID"), "secret_access_key": job.NewSecret("hunter2")},
	}}
}

func publisher(t *testing.T, endpoint string) *Publisher {
	c := netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).HTTPClient(netguard.Options{MaxRedirects: netguard.NoRedirects})
	t.Cleanup(c.CloseIdleConnections)
	return New(Options{Client: c, Endpoint: endpoint})
}

func TestPublish(t *testing.T) {
	srv, form, header := recorder(t, 200, "")
	status, err := publisher(t, srv.URL).Publish(t.Context(), delivery("arn:aws:sns:eu-west-1:123:done"))
	if err != nil || status != 200 {
		t.Fatalf("Publish: %d, %v", status, err)
	}
	got := map[string]string{}
	attrs := map[string]string{}
	for name, values := range *form {
		if !strings.HasPrefix(name, "MessageAttributes") {
			got[name] = values[0]
		}
	}
	for i := 1; form.Has(fmt.Sprintf("MessageAttributes.entry.%d.Name", i)); i++ {
		prefix := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		attrs[form.Get(prefix+"Name")] = form.Get(prefix + "Value.StringValue")
		if form.Get(prefix+"Value.DataType") != "String" {
			t.Errorf("type of %s is %q", form.Get(prefix+"Name"), form.Get(prefix+"Value.DataType"))
		}
	}
	want := map[string]string{
		"Action": "Publish", "Version": "2010-03-31", "TopicArn": "arn:aws:sns:eu-west-1:123:done",
		"Message": `{"job_id":"vdq1fShawHzyz3","a":"<&ü>"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"video": "12", "user.id": "7", "a.b": "c", "param.AWS.x": "y"}, attrs); diff != "" {
		t.Error(diff)
	}
	if auth := header.Get("Authorization"); !strings.Contains(auth, "Credential=AKID/") || !strings.Contains(auth, "/eu-west-1/sns/") {
		t.Errorf("Authorization %s", auth)
	}
}

func TestOrderedTopic(t *testing.T) {
	srv, form, _ := recorder(t, 200, "")
	if _, err := publisher(t, srv.URL).Publish(t.Context(), delivery("arn:aws:sns:eu-west-1:123:done.fifo")); err != nil {
		t.Fatal(err)
	}
	if form.Get("MessageGroupId") != "vdq1fShawHzyz3" || form.Get("MessageDeduplicationId") != "vdq1fShawHzyz3-2" {
		t.Errorf("form %v", form)
	}
}

func TestErrors(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tt := range []struct {
		status int
		code   string
		want   string
	}{
		{404, "NotFound", "SNS refused the message: NotFound (there is no such topic in this region)"},
		{403, "SignatureDoesNotMatch", "SNS refused the message: SignatureDoesNotMatch (the credentials are wrong)"},
		{403, "AuthorizationError", "SNS refused the message: AuthorizationError (the credentials may not publish to this topic)"},
		{400, "InvalidParameter", "SNS refused the message: InvalidParameter (the topic's ARN or region is wrong, or the message with its metadata is larger than the topic takes)"},
		{500, "InternalFailure", "SNS refused the message: InternalFailure"},
		{0, "", "SNS could not be reached: the connection was refused"},
	} {
		endpoint := closed.URL
		if tt.status != 0 {
			srv, _, _ := recorder(t, tt.status, tt.code)
			endpoint = srv.URL
		}
		status, err := publisher(t, endpoint).Publish(t.Context(), delivery("arn:aws:sns:eu-west-1:123:done"))
		if status != tt.status || err == nil || err.Error() != tt.want {
			t.Errorf("Publish = %d, %v, want %q", status, err, tt.want)
		}
	}
	d := delivery("arn")
	d.Notification.Region = "evil.example/"
	if _, err := publisher(t, "").Publish(t.Context(), d); err == nil || !strings.Contains(err.Error(), "region") {
		t.Errorf("bad region: %v", err)
	}
	guarded := New(Options{Client: netguard.New(nil).HTTPClient(netguard.Options{}), Endpoint: closed.URL})
	if _, err := guarded.Publish(t.Context(), delivery("arn")); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("past the guard: %v", err)
	}
}

// TestAddress is where a message goes when nothing is overridden.
func TestAddress(t *testing.T) {
	var host string
	c := &http.Client{Transport: transport(func(r *http.Request) { host = r.URL.Scheme + "://" + r.URL.Host })}
	_, err := New(Options{Client: c}).Publish(t.Context(), delivery("arn:aws:sns:eu-west-1:123:done"))
	if host != "https://sns.eu-west-1.amazonaws.com" || err == nil {
		t.Errorf("sent to %s, %v", host, err)
	}
}

type transport func(*http.Request)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return nil, io.EOF
}
