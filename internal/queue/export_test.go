package queue

import "time"

// Rest makes it long ago that something has happened.
func (a *Activity) Rest() { a.at.Store(time.Now().Add(-idleAfter).UnixNano()) }
