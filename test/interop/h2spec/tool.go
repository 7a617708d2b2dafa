//go:build tools

// Pins h2spec, which h2spec.test.ts runs.
package h2spec

import _ "github.com/summerwind/h2spec/cmd/h2spec"
