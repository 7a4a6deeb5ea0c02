package coconut

import (
	"strconv"

	"github.com/copra-video/copra/job"
)

// notification decodes the notification, nil if the job has none.
func (d *decoder) notification(v *value) *job.Notification {
	if v == nil {
		return nil
	}
	if !v.isHash() || len(v.members) == 0 {
		d.refuse(job.NotificationNotValid, "The job 'notification' is not a valid object: expected a hash with a 'url'.")
		return nil
	}
	h := d.section("notification", job.NotificationNotValid, v)
	n := &job.Notification{Type: h.oneOf("type", "http", "http", "sns")}
	if n.Type == "sns" {
		n.Region, n.TopicARN = h.word("region"), h.word("topic_arn")
		for _, name := range []string{"region", "topic_arn"} {
			if h.word(name) == "" {
				h.refuse(name, "the "+name+" of the SNS topic")
			}
		}
		n.Credentials = h.get("credentials").secrets(awsKeys)
		if len(n.Credentials) < len(awsKeys) {
			d.refuse(h.reason, "The notification credentials are not correct, you must define your %s.", quoted(awsKeys))
		}
	} else {
		n.URL = h.url("url", "http", "https")
		if n.URL.IsZero() {
			h.refuse("url", "an absolute http or https URL")
		}
	}
	n.Params = h.params()
	n.Metadata, n.Events = h.flag("metadata"), h.flag("events")
	return n
}

// params reads the parameters that are added to the query of the webhook. Nested
// ones become a[b], as the query encoders of the clients write them.
func (h hash) params() map[string]string {
	v := h.get("params")
	if v == nil || blank(v) {
		return nil
	}
	if !v.isHash() {
		h.refuse("params", "a hash")
		return nil
	}
	params := map[string]string{}
	for _, m := range v.members {
		flatten(params, m.name, m.value)
	}
	if len(params) == 0 {
		return nil
	}
	return params
}

func flatten(params map[string]string, name string, v *value) {
	for _, m := range v.members {
		flatten(params, name+"["+m.name+"]", m.value)
	}
	for i, e := range v.list {
		flatten(params, name+"["+strconv.Itoa(i)+"]", e)
	}
	if v.kind != kindHash && v.kind != kindList {
		params[name] = v.text
	}
}
