package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// One write to an object, and who managed it before.
type write struct {
	Schema   string                     `json:"schema,omitempty"`
	Live     any                        `json:"live"`
	Managers map[string]json.RawMessage `json:"managers"`
	Manager  string                     `json:"manager"`
	Apply    bool                       `json:"apply"`
	Force    bool                       `json:"force"`
	Object   any                        `json:"object"`
}

type written struct {
	Object    any                        `json:"object"`
	Managers  map[string]json.RawMessage `json:"managers"`
	Conflicts []string                   `json:"conflicts,omitempty"`
	Error     string                     `json:"error,omitempty"`
}

const version = fieldpath.APIVersion("v1")

type sameVersion struct{}

func (sameVersion) Convert(object *typed.TypedValue, _ fieldpath.APIVersion) (*typed.TypedValue, error) {
	return object, nil
}
func (sameVersion) IsMissingVersionError(error) bool { return false }

// merge answers each line of writes with what structured-merge-diff, the library of Kubernetes, makes of it.
// The schema of the first write is that of all.
func merge() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	out := json.NewEncoder(os.Stdout)
	var parser *typed.Parser
	for in.Scan() {
		var w write
		if err := json.Unmarshal(in.Bytes(), &w); err != nil {
			_ = out.Encode(written{Error: err.Error()})
			continue
		}
		if parser == nil {
			made, err := typed.NewParser(typed.YAMLObject(w.Schema))
			if err != nil {
				_ = out.Encode(written{Error: err.Error()})
				return
			}
			parser = made
		}
		answer, err := mergeOne(parser.Type("root"), w)
		if err != nil {
			answer.Error = err.Error()
		}
		_ = out.Encode(answer)
	}
}

func mergeOne(kind typed.ParseableType, w write) (answer written, err error) {
	live, err := kind.FromUnstructured(w.Live)
	if err != nil {
		return answer, err
	}
	object, err := kind.FromUnstructured(w.Object)
	if err != nil {
		return answer, err
	}
	managers := fieldpath.ManagedFields{}
	for name, fields := range w.Managers {
		set := fieldpath.NewSet()
		if err := set.FromJSON(bytes.NewReader(fields)); err != nil {
			return answer, err
		}
		managers[name] = fieldpath.NewVersionedSet(set, version, true)
	}
	updater := (&smd.UpdaterBuilder{Converter: sameVersion{}, ReturnInputOnNoop: true}).BuildUpdater()
	var result *typed.TypedValue
	if w.Apply {
		result, managers, err = updater.Apply(live, object, version, managers, w.Manager, w.Force)
	} else {
		result, managers, err = updater.Update(live, object, version, managers, w.Manager)
	}
	var conflicts smd.Conflicts
	if errors.As(err, &conflicts) {
		for _, conflict := range conflicts {
			answer.Conflicts = append(answer.Conflicts, conflict.Manager+" "+conflict.Path.String())
		}
		return answer, nil
	}
	if err != nil {
		return answer, err
	}
	answer.Object = result.AsValue().Unstructured()
	answer.Managers = map[string]json.RawMessage{}
	for name, set := range managers {
		encoded, err := set.Set().ToJSON()
		if err != nil {
			return answer, err
		}
		answer.Managers[name] = encoded
	}
	return answer, nil
}
