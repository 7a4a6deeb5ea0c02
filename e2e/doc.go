// Package e2e tests the program as its users meet it: the built binary on a
// free port with a real PostgreSQL, a real S3 server, real ffmpeg, the
// published Node client, a receiver of webhooks and servers of inputs that
// behave in every bad way.
//
// Most tests share one standalone server (server_test.go), each with jobs of
// its own; those that stop, kill or split the server start their own.
package e2e
