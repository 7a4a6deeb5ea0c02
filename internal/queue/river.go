package queue

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

// This file holds what Copra assumes about River beyond its Go API: the schema
// of river_job, the notification of inserted jobs, and how clients treat rows
// that were changed by SQL. River promises none of it. contract_test.go checks
// each assumption against River's own migrations and a running client; run it
// with every new version of River.
//
// The strings are fragments of SQL for internal/postgres. In all of them r is
// the alias of river_job.

// Table is River's table of jobs.
const Table = "river_job"

// The priorities of River jobs. A check constraint limits them to 1 to 4.
const (
	HighestPriority = 1
	LowestPriority  = 4
)

// Conditions on the state of River job r. A job that has ended is never worked
// again; IsOpen is the opposite of HasEnded.
const (
	IsRunning = `r.state = 'running'`
	IsOpen    = `r.state IN ('available', 'running', 'retryable', 'scheduled', 'pending')`
	HasEnded  = `r.state IN ('completed', 'cancelled', 'discarded')`
	// HasFailed: its attempts are used up, or its worker said that a retry cannot help.
	HasFailed = `r.state IN ('cancelled', 'discarded')`
)

// Expressions on River job r.
const (
	// Node is the id of the client that works the latest attempt; '' before the
	// first one. River appends to attempted_by at each fetch.
	Node = `coalesce(r.attempted_by[cardinality(r.attempted_by)], '')`
	// IsLastAttempt: River discards the job when this attempt fails.
	IsLastAttempt = `r.attempt >= r.max_attempts`
	// ArgsJobID is the job_id of ProbeArgs and TranscodeArgs, or NULL.
	ArgsJobID = `r.args->>'job_id'`
	// ArgsDeliveryID is the delivery_id of NotifyArgs, or NULL.
	ArgsDeliveryID = `(r.args->>'delivery_id')::bigint`
)

// RunningSQL is the condition that the given attempt of the River job with this
// id is running. Both are SQL expressions, for example parameters.
func RunningSQL(id, attempt string) string {
	return fmt.Sprintf(`EXISTS (SELECT FROM river_job r WHERE r.id = %s AND %s AND r.attempt = %s)`, id, IsRunning, attempt)
}

// FetchedAtSQL is the time at which the latest attempt of the River job with
// this id was fetched. It identifies the attempt.
func FetchedAtSQL(id string) string {
	return fmt.Sprintf(`(SELECT r.attempted_at FROM river_job r WHERE r.id = %s)`, id)
}

// EndAttemptSQL is the SET clause of an UPDATE that ends the running attempt of r
// with an error. If the boolean expression last is true, River's job is
// discarded; else it becomes available at once, and the next fetch increases its
// attempt. message is an expression of type text.
func EndAttemptSQL(last, message string) string {
	return fmt.Sprintf(`
		state = (CASE WHEN %[1]s THEN 'discarded' ELSE 'available' END)::river_job_state,
		finalized_at = CASE WHEN %[1]s THEN now() END,
		scheduled_at = now(),
		errors = array_append(r.errors, jsonb_build_object('at', now(), 'attempt', r.attempt, 'trace', '', 'error', %[2]s))`, last, message)
}

// DeprioritizeSQL lowers the priority of River job $1 to $2.
const DeprioritizeSQL = `UPDATE river_job r SET priority = $2 WHERE r.id = $1 AND r.priority < $2`

// StatsSQL counts the open River jobs by queue and state. Its columns are queue,
// state, count, and the age of the oldest one in seconds: since it was fetched if
// it is running, else since it was due.
const StatsSQL = `
	SELECT r.queue, r.state::text, count(*),
		greatest(extract(epoch FROM now() - min(CASE WHEN ` + IsRunning + ` THEN r.attempted_at ELSE r.scheduled_at END)), 0)::float8
	FROM river_job r WHERE ` + IsOpen + ` GROUP BY r.queue, r.state ORDER BY r.queue, r.state`

// DueSQL is the condition that a River job of some queues, an expression of type text[],
// waits to be fetched, or is to be tried within an interval. It looks at the first entry of each
// part of the index from which River fetches, so its cost does not grow with what waits or is
// scheduled for later.
func DueSQL(queues, within string) string {
	return fmt.Sprintf(`EXISTS (
		SELECT FROM unnest(%[1]s) q, generate_series(%[3]d, %[4]d) p, unnest('{available,retryable,scheduled}'::river_job_state[]) s,
			LATERAL (SELECT FROM river_job r WHERE r.state = s AND r.queue = q AND r.priority = p::smallint AND r.scheduled_at <= now() + %[2]s ORDER BY r.scheduled_at LIMIT 1) d)`,
		queues, within, HighestPriority, LowestPriority)
}

// leadershipTopic is the topic on which River's clients wait for a leader that resigns.
const leadershipTopic = "river_leadership"

// InsertTopic is the topic on which River's clients wait for inserted jobs.
const InsertTopic = "river_insert"

// InsertPayload is the payload of a notification that wakes the clients of a queue.
func InsertPayload(queue string) string { return fmt.Sprintf(`{"queue": %q}`, queue) }

// ChannelSQL is the PostgreSQL channel of a topic, which is an expression: River
// puts the schema before it.
func ChannelSQL(topic string) string { return `current_schema() || '.' || ` + topic }

// InsertOnlyConfig configures a River client that inserts jobs and does not
// notify. River would notify within the inserting transaction, which makes all
// such commits of the server wait for one another (docs/decisions/0003). No setting turns
// that off, but a client notifies each queue only once in FetchCooldown, which
// an inserting client uses for nothing else.
func InsertOnlyConfig(log *slog.Logger) *river.Config {
	const never = 24 * time.Hour
	return &river.Config{Logger: log, FetchCooldown: never, FetchPollInterval: never}
}
