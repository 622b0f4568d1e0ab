package aws

import (
	"context"
	"encoding/json"

	"github.com/firelane/firelane/sink/httpsend"
)

// Ask calls an operation that changes nothing, once, with an input as JSON, and reads its answer into out.
func (a *API) Ask(ctx context.Context, op string, in map[string]any, out any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	body := httpsend.NewPayload(text)
	defer body.Release()
	_, err = a.Post(ctx, op, body, nil, "", out)
	return err
}

// Location is the service's region and the URL of its operations.
func (a *API) Location(ctx context.Context) (region, url string, err error) {
	if url, err = a.URL(ctx); err != nil {
		return "", "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.region, url, nil
}
