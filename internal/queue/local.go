package queue

import (
	"context"

	"github.com/riverqueue/river/riverdriver"
)

// Local passes on what this process itself inserts, where the database's
// notifications do not arrive: a job that this worker has probed is then transcoded
// at once. What others insert is found by polling.
type Local struct {
	queues chan string
}

// NewLocal returns a Local for one River client.
func NewLocal() *Local { return &Local{queues: make(chan string, 100)} }

// Inserted tells the client of new River jobs in these queues. It never blocks; what
// does not fit is left to polling.
func (l *Local) Inserted(queues []string) {
	for _, q := range queues {
		select {
		case l.queues <- q:
		default:
			return
		}
	}
}

// localListener hears Local in place of a connection.
type localListener struct{ *Local }

// Close implements riverdriver.Listener, as all methods here.
func (localListener) Close(context.Context) error            { return nil }
func (localListener) Connect(context.Context) error          { return nil }
func (localListener) Listen(context.Context, string) error   { return nil }
func (localListener) Ping(context.Context) error             { return nil }
func (localListener) Schema() string                         { return "" }
func (localListener) SetAfterConnectExec(string)             {}
func (localListener) Unlisten(context.Context, string) error { return nil }

func (l localListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case q := <-l.queues:
		return &riverdriver.Notification{Topic: InsertTopic, Payload: InsertPayload(q)}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
