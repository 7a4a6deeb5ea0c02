// Package sns publishes notifications to topics of Amazon SNS.
package sns

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
)

// Options of a Publisher.
type Options struct {
	// Client makes the requests. It must come from netguard.
	Client *http.Client
	// Endpoint replaces Amazon's, for tests and compatible services. Defaults to
	// Amazon's endpoint of the notification's region.
	Endpoint string
}

// Publisher publishes to the topics that notifications name. It is safe for
// concurrent use.
type Publisher struct{ o Options }

// New returns a Publisher.
func New(o Options) *Publisher { return &Publisher{o} }

var (
	regionName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	plainCode  = regexp.MustCompile(`^[A-Za-z0-9.-]{1,63}$`)
	notInName  = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)
	dots       = regexp.MustCompile(`\.{2,}`)
)

// Publish makes one attempt to publish the body of d, with the params of its
// notification as message attributes. status is the HTTP status of the answer,
// 0 when there was none. The error names the error code of SNS and holds no
// secret.
func (p *Publisher) Publish(ctx context.Context, d job.Delivery) (status int, err error) {
	n := d.Notification
	if !regionName.MatchString(n.Region) {
		return 0, errors.New("the region of the SNS topic is not valid")
	}
	o := sns.Options{
		Region: n.Region, HTTPClient: p.o.Client, Retryer: aws.NopRetryer{}, // deliveries have a retry schedule of their own
		Credentials: credentials.NewStaticCredentialsProvider(
			n.Credentials["access_key_id"].Reveal(), n.Credentials["secret_access_key"].Reveal(), ""),
	}
	if p.o.Endpoint != "" {
		o.BaseEndpoint = &p.o.Endpoint
	}
	in := &sns.PublishInput{
		TopicArn: &n.TopicARN, Message: aws.String(string(d.Body)), MessageAttributes: attributes(n.Params),
	}
	if strings.HasSuffix(n.TopicARN, ".fifo") {
		// SNS keeps the messages of a group in order, and drops a message whose
		// deduplication id it has seen in the last five minutes.
		in.MessageGroupId = &d.JobID
		in.MessageDeduplicationId = aws.String(fmt.Sprintf("%s-%d", d.JobID, d.N))
	}
	_, err = sns.New(o).Publish(ctx, in)
	if err != nil {
		return explain(err)
	}
	return http.StatusOK, nil
}

// attributes converts params to message attributes. SNS allows names of letters,
// digits, "_", "-" and single dots, without the prefixes of Amazon's own, and no
// empty values (SNS developer guide, "Message attributes"). user[id] becomes
// user.id.
func attributes(params map[string]string) map[string]types.MessageAttributeValue {
	list := map[string]types.MessageAttributeValue{}
	for name, value := range params {
		name = strings.Trim(dots.ReplaceAllString(notInName.ReplaceAllString(name, "."), "."), ".")
		if name == "" || value == "" || len(name) > 256 {
			continue
		}
		for _, reserved := range []string{"aws.", "amazon."} {
			if strings.HasPrefix(strings.ToLower(name), reserved) {
				name = "param." + name
			}
		}
		list[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
	}
	return list
}

// explain describes a failed request for the customer. The messages of SNS may
// quote the credentials, so only its error code is repeated.
func explain(err error) (status int, described error) {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return 0, errors.New(e.Message)
	}
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = resp.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && plainCode.MatchString(api.ErrorCode()) {
		return status, fmt.Errorf("SNS refused the message: %s%s", api.ErrorCode(), hint(api.ErrorCode()))
	}
	if status != 0 {
		return status, fmt.Errorf("SNS answered HTTP status %d", status)
	}
	return 0, fmt.Errorf("SNS could not be reached: %s", netguard.Describe(err))
}

// hint names the likely cause of an error code, for those that have one.
func hint(code string) string {
	switch {
	case slices.Contains([]string{"NotFound", "NotFoundException"}, code):
		return " (there is no such topic in this region)"
	case strings.HasPrefix(code, "AuthorizationError"):
		return " (the credentials may not publish to this topic)"
	case code == "InvalidClientTokenId" || code == "SignatureDoesNotMatch":
		return " (the credentials are wrong)"
	case strings.HasPrefix(code, "InvalidParameter"):
		return " (the topic's ARN or region is wrong, or the message with its metadata is larger than the topic takes)"
	}
	return ""
}
