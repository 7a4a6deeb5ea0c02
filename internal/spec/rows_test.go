package spec

import (
	"fmt"
	"slices"
	"strings"
)

// row is one row of the specification.
type row struct {
	section, name string
	// with has the row, without is the control.
	with, without attempt
	// only are the lines that the row is about, by what they contain; nil: all.
	only []string
	// same says that the row has no effect: with must bring about what without does.
	same bool
	// needs are lines that must be among those that the row adds, by what they
	// contain: for rows whose control differs in more than the row.
	needs []string
}

// rows are all of them, but for those of package observed.
func rows() []row {
	return slices.Concat(transportRows(), jobRows(), inputRows(), serviceRows(), s3Rows(), notificationRows(), containerRows(), videoSpecRows(), audioSpecRows(),
		optionRows(), hashRows(), exampleRows(), fileRows(), pictureRows(), streamRows(), variableRows(), operatorRows(), functionRows(),
		codeRows(), failureRows(), decisionRows(), additionRows())
}

// request is a job with some members in the place of its own; "name=" takes one
// out.
func request(members ...string) string {
	all := map[string]string{
		"input": `{"url":"http://recorder:80/in.mov"}`, "storage": `{"service":"coconut"}`, "outputs": `{"mp4:360p":{"path":"/a.mp4"}}`,
	}
	for _, m := range members {
		name, value, _ := strings.Cut(m, "=")
		if all[name] = value; value == "" {
			delete(all, name)
		}
	}
	var list []string
	for name, value := range all {
		list = append(list, fmt.Sprintf("%q:%s", name, value))
	}
	slices.Sort(list)
	return "{" + strings.Join(list, ",") + "}"
}

// output is a request with one output.
func output(format, params string) string {
	if params != "" {
		params = "," + params
	}
	return request(fmt.Sprintf(`outputs={%q:{"path":"/a.out"%s}}`, format, params))
}

// streamed is a request with an httpstream of one variant.
func streamed(params string) string {
	if !strings.Contains(params, `"variants"`) {
		params += `,"variants":["mp4:360p"]`
	}
	return request(`outputs={"httpstream":{"hls":{"path":"/hls"}` + params + `}}`)
}

// input and stored are requests with those.
func input(hash string) string  { return request("input=" + hash) }
func stored(hash string) string { return request("storage=" + hash) }

// pair is a row of two requests.
func pair(section, name, with, without string) row {
	return row{section: section, name: name, with: attempt{job: with}, without: attempt{job: without}}
}

// calls is a row of two calls of the API.
func calls(section, name string, with, without exchange) row {
	return row{section: section, name: name, with: attempt{call: &with}, without: attempt{call: &without}}
}

const keys = `"credentials":{"access_key_id":"a","secret_access_key":"b"}`
