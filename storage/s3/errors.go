package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// sentences are the messages for the error codes whose cause the customer can
// remove. %[1]s is the bucket, %[2]s the code.
var sentences = map[string]string{
	"NoSuchBucket":                  "The bucket '%[1]s' does not exist (%[2]s).",
	"InvalidBucketName":             "The bucket '%[1]s' does not exist: that is no bucket name (%[2]s).",
	"InvalidAccessKeyId":            "The storage of bucket '%[1]s' does not know the access_key_id (%[2]s).",
	"XAdminUserNotFound":            "The storage of bucket '%[1]s' does not know the access_key_id (%[2]s).", // versitygw
	"SignatureDoesNotMatch":         "The secret_access_key for bucket '%[1]s' is wrong (%[2]s).",
	"AccessDenied":                  "The credentials have no access to bucket '%[1]s' or may not do this in it (%[2]s).",
	"Forbidden":                     "The credentials have no access to bucket '%[1]s' or may not do this in it (%[2]s).", // of HEAD, whose answers have no other
	"AllAccessDisabled":             "All access to bucket '%[1]s' is disabled (%[2]s).",
	"AccountProblem":                "The account of bucket '%[1]s' has a problem (%[2]s).",
	"PermanentRedirect":             "The bucket '%[1]s' is in another region or at another endpoint (%[2]s).",
	"AuthorizationHeaderMalformed":  "The region or the access_key_id for bucket '%[1]s' is wrong (%[2]s).",
	"RequestTimeTooSkewed":          "The storage of bucket '%[1]s' finds that the clock of this server is wrong (%[2]s).",
	"InvalidStorageClass":           "The storage of bucket '%[1]s' does not know this storage_class (%[2]s).",
	"AccessControlListNotSupported": "The bucket '%[1]s' does not take ACLs (%[2]s).",
	"QuotaExceeded":                 "The storage of bucket '%[1]s' is full (%[2]s).",
	"EntityTooLarge":                "The file is too large for the storage of bucket '%[1]s' (%[2]s).",
	"KeyTooLongError":               "The path of the file is too long for the storage of bucket '%[1]s' (%[2]s).",
	"NoSuchKey":                     "The file does not exist in bucket '%[1]s' (%[2]s).",
	"InvalidObjectState":            "The file in bucket '%[1]s' is archived and must be restored first (%[2]s).",
	"InvalidRange":                  "The file in bucket '%[1]s' changed while it was being read (%[2]s).",
	"PreconditionFailed":            "The file in bucket '%[1]s' changed while it was being read (%[2]s).",
	"XAmzContentSHA256Mismatch":     "The storage of bucket '%[1]s' found the upload damaged (%[2]s).",
	"XAmzContentChecksumMismatch":   "The storage of bucket '%[1]s' found the upload damaged (%[2]s).",
	"InvalidLocationConstraint":     "The region for bucket '%[1]s' is wrong (%[2]s).",
	"UnauthorizedAccess":            "The credentials have no access to bucket '%[1]s' (%[2]s).",
	"InvalidSecurity":               "The credentials for bucket '%[1]s' are not valid (%[2]s).",
	"NotSignedUp":                   "The account of bucket '%[1]s' is not signed up for the service (%[2]s).",
	"MethodNotAllowed":              "The storage of bucket '%[1]s' does not allow this (%[2]s).",
	"InvalidArgument":               "The storage of bucket '%[1]s' refused a setting (%[2]s).",
	"InvalidToken":                  "The credentials for bucket '%[1]s' are not valid (%[2]s).",
}

// explain turns an error of the SDK into a *job.Error if a retry cannot help,
// and into a *storage.Unavailable if it can. The service's own text goes to the
// log only.
func (b *Bucket) explain(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if body, ok := errors.AsType[*storage.BodyError](err); ok {
		return body.Err
	}
	err = netguard.StripURL(err)
	code, status := codeOf(err)
	switch {
	case status >= 500 && status != http.StatusNotImplemented || status == http.StatusTooManyRequests ||
		status == http.StatusRequestTimeout || code == "RequestTimeout":
		return &storage.Unavailable{
			Message: fmt.Sprintf("The storage of bucket '%s' did not work (%s).", b.name, code), Cause: err,
		}
	case code != "":
		sentence, ok := sentences[code]
		if !ok {
			sentence = "The storage refused the request for bucket '%[1]s' (%[2]s)."
		}
		return job.Errorf(job.StorageRefused, sentence, b.name, code).WithCause(err)
	}
	sentence := fmt.Sprintf("The storage of bucket '%s' could not be reached: %s.", b.name, netguard.Describe(err))
	if netguard.Permanent(err) {
		return job.Errorf(job.StorageRefused, "%s", sentence).WithCause(err)
	}
	return &storage.Unavailable{Message: sentence, Cause: err}
}

// codeOf returns the error code and the HTTP status of an answer. If the answer
// has no code, the status stands for it.
func codeOf(err error) (code string, status int) {
	if resp, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = resp.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if status >= 300 && (code == "" || code == "UnknownError" || !plainCode(code)) {
		code = fmt.Sprintf("HTTP status code: %d", status)
	}
	return code, status
}

// plainCode reports whether a code is one word, so that a hostile server cannot
// show a text of its own to our customer.
func plainCode(code string) bool { return hostPart.MatchString(code) }
