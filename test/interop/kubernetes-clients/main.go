// The API's clients in Go, as controllers use them: one named check each. kubernetes-clients.test.ts runs it with a kubeconfig.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

type check struct {
	name string
	run  func(ctx context.Context, config *rest.Config) error
}

type result struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "merge" {
		merge()
		return
	}
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	config.QPS, config.Burst = 1000, 1000
	out := json.NewEncoder(os.Stdout)
	for _, check := range append(typedChecks, controllerChecks...) {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		found := result{Name: check.name}
		if err := check.run(ctx, rest.CopyConfig(config)); err != nil {
			found.Error = err.Error()
		}
		cancel()
		_ = out.Encode(found)
	}
}

// want fails with what was found when it is not what was expected.
func want[T comparable](what string, found, expected T) error {
	if found == expected {
		return nil
	}
	return fmt.Errorf("%s: found %v, expected %v", what, found, expected)
}

// first gives the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func until(ctx context.Context, what string, holds func() (bool, error)) error {
	for {
		ok, err := holds()
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: still not so", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
