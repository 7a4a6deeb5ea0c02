package s3

import (
	"context"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const acceptEncoding = "Accept-Encoding"

// plainEncoding removes Accept-Encoding from a request while it is signed.
func plainEncoding(stack *middleware.Stack) error {
	var value string
	move := func(name string, f func(*smithyhttp.Request)) middleware.FinalizeMiddleware {
		return middleware.FinalizeMiddlewareFunc(name, func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if r, ok := in.Request.(*smithyhttp.Request); ok {
				f(r)
			}
			return next.HandleFinalize(ctx, in)
		})
	}
	take := move("TakeAcceptEncoding", func(r *smithyhttp.Request) {
		value = r.Header.Get(acceptEncoding)
		r.Header.Del(acceptEncoding)
	})
	give := move("GiveAcceptEncoding", func(r *smithyhttp.Request) { r.Header.Set(acceptEncoding, value) })
	if err := stack.Finalize.Insert(take, "Signing", middleware.Before); err != nil {
		return err
	}
	return stack.Finalize.Insert(give, "Signing", middleware.After)
}
