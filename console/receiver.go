package console

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// ReceiverPath is where webhooks can be sent to try them out. The status that the receiver
// answers with follows.
const ReceiverPath = "/console/receiver/"

// receiverStatuses are those that the test receiver answers with: what receivers of webhooks
// usually say.
var receiverStatuses = []int{200, 204, 400, 404, 410, 429, 500, 503}

// maxReceived is how many bytes of a body are read.
const maxReceived = 1 << 20

// receive answers a webhook that is sent to the server itself. It keeps nothing of it: what was
// sent and answered is in the log of the webhook. So it needs no credential.
func receive(w http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(r.PathValue("status"))
	if err != nil || !slices.Contains(receiverStatuses, status) {
		http.Error(w, "The test receiver answers with one of "+strings.Trim(fmt.Sprint(receiverStatuses), "[]")+": write it behind "+ReceiverPath, http.StatusNotFound)
		return
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxReceived)); err != nil {
		http.Error(w, "The body could not be read, or has more than 1 MiB.", http.StatusRequestEntityTooLarge)
		return
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.WriteHeader(status)
}

// IsReceiver reports whether an address is that of the test receiver of the server at
// publicURL, and nothing else there.
func IsReceiver(address, publicURL string) bool {
	rest, ok := strings.CutPrefix(address, publicURL+ReceiverPath)
	if !ok || publicURL == "" {
		return false
	}
	status, _, _ := strings.Cut(rest, "?")
	return slices.ContainsFunc(receiverStatuses, func(s int) bool { return strconv.Itoa(s) == status })
}
