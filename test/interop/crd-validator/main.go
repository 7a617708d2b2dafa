// Says what a Kubernetes API server would make of objects: it prunes, defaults and validates them by the
// CustomResourceDefinitions whose files are its arguments. One JSON object per line comes in,
// {"object": …, "old": …}, and one per line goes out.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

type served struct {
	structural *schema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

type request struct {
	Object map[string]any `json:"object"`
	Old    map[string]any `json:"old"`
}

type problem struct {
	Type   string `json:"type"`
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

type answer struct {
	Problems []problem      `json:"problems"`
	Unknown  []string       `json:"unknown"`
	Object   map[string]any `json:"object"`
}

func main() {
	kinds := map[string]served{}
	for _, file := range os.Args[1:] {
		if err := load(file, kinds); err != nil {
			log.Fatalf("%s: %v", file, err)
		}
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var answers []chan []byte
	slots := make(chan struct{}, runtime.NumCPU())
	for in.Scan() {
		asked, answer := bytes.Clone(in.Bytes()), make(chan []byte, 1)
		answers = append(answers, answer)
		slots <- struct{}{}
		go func() {
			answer <- answerTo(kinds, asked)
			<-slots
		}()
	}
	for _, answer := range answers {
		fmt.Fprintf(out, "%s\n", <-answer)
	}
	if err := in.Err(); err != nil {
		log.Fatal(err)
	}
}

func answerTo(kinds map[string]served, line []byte) []byte {
	var asked request
	if err := utiljson.Unmarshal(line, &asked); err != nil {
		log.Fatal(err)
	}
	answer, err := json.Marshal(check(kinds, asked))
	if err != nil {
		log.Fatal(err)
	}
	return answer
}

func load(file string, kinds map[string]served) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var published v1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &published); err != nil {
		return err
	}
	var crd apiextensions.CustomResourceDefinition
	if err := v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&published, &crd, nil); err != nil {
		return err
	}
	for _, version := range crd.Spec.Versions {
		given, err := apiextensions.GetSchemaForVersion(&crd, version.Name)
		if err != nil {
			return err
		}
		structural, err := schema.NewStructural(given.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		validator, _, err := validation.NewSchemaValidator(given.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		kinds[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = served{
			structural: structural,
			schema:     validator,
			rules:      cel.NewValidator(structural, true, celconfig.PerCallLimit),
		}
	}
	return nil
}

func check(kinds map[string]served, asked request) answer {
	object := asked.Object
	kind, ok := kinds[fmt.Sprintf("%v %v", object["apiVersion"], object["kind"])]
	if !ok {
		return answer{Problems: []problem{{Type: "no such kind"}}}
	}
	metadata := object["metadata"]
	track := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	unknown := pruning.PruneWithOptions(object, kind.structural, true, track)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, kind.structural)
	object["metadata"] = metadata
	defaulting.Default(object, kind.structural)
	found := validation.ValidateCustomResource(nil, object, kind.schema)
	found = append(found, listtype.ValidateListSetsAndMaps(nil, kind.structural, object)...)
	if kind.rules != nil && !blocks(found) {
		var old any
		if asked.Old != nil {
			old = asked.Old
		}
		more, _ := kind.rules.Validate(context.Background(), nil, kind.structural, object, old, celconfig.RuntimeCELCostBudget)
		found = append(found, more...)
	}
	result := answer{Problems: []problem{}, Unknown: unknown, Object: object}
	for _, one := range found {
		result.Problems = append(result.Problems, problem{string(one.Type), one.Field, one.Detail})
	}
	return result
}

// Rules are not evaluated over an object whose shape is wrong.
func blocks(found field.ErrorList) bool {
	for _, one := range found {
		switch one.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		}
	}
	return false
}
