package client

import (
	"net/http"
	"time"
)

// Hurry shortens all waiting of a client, so that tests of it take milliseconds.
func Hurry(c *Client) *Client {
	c.timing = timing{firstWait: time.Millisecond, maxWait: 2 * time.Second, idle: time.Minute, poll: time.Millisecond}
	return c
}

// Idle sets the silence after which an event stream counts as broken.
func Idle(c *Client, d time.Duration) { c.timing.idle = d }

// Verify is VerifyNotification at a given time.
func Verify(secret string, header http.Header, body []byte, now time.Time) error {
	return verify(secret, header, body, now)
}

// RetryAfter reads the header of this name.
var RetryAfter = retryAfter
