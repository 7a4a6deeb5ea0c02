package webhook

import (
	"context"
	"errors"

	"github.com/copra-video/copra/job"
)

// SNS publishes a delivery whose notification names a topic. The error says
// what went wrong without secrets.
type SNSPublisher interface {
	Publish(ctx context.Context, d job.Delivery) (status int, err error)
}

// publishTopic makes one try to publish the body.
func (w *Worker) publishTopic(ctx context.Context, d job.Delivery) (status int, err error) {
	if w.SNS == nil {
		return 0, errors.New("this server publishes to no topics")
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTime)
	defer cancel()
	return w.SNS.Publish(ctx, d)
}
