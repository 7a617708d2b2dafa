// Runs the official conformance suite of the Gateway API against the cluster of KUBECONFIG; harness.ts starts it.
package conformance

import (
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// Without WEFT_CLAIMED_FEATURES every feature of gateways is tested, claimed or not, so that what is missing shows.
func TestConformance(t *testing.T) {
	options := conformance.DefaultOptions(t)
	if os.Getenv("WEFT_CLAIMED_FEATURES") == "" {
		all := features.SetsToNamesSet(features.AllFeatures)
		mesh := features.SetsToNamesSet(features.MeshCoreFeatures, features.MeshExtendedFeatures)
		options.SupportedFeatures = sets.List(all.Difference(mesh))
	}
	conformance.RunConformanceWithOptions(t, options)
}
