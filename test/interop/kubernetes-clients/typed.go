package main

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/pager"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayapply "sigs.k8s.io/gateway-api/applyconfiguration/apis/v1"
	gatewayclient "sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"
	gatewayinformers "sigs.k8s.io/gateway-api/pkg/client/informers/externalversions"
)

const namespace = "default"

var typedChecks = []check{
	{"the Gateway API's clientset creates, reads, updates, patches and deletes", gatewayObjects},
	{"the Gateway API's clientset applies, with conflicts and force", gatewayApply},
	{"the Gateway API's clientset writes and applies statuses", gatewayStatus},
	{"core objects in JSON", func(ctx context.Context, config *rest.Config) error { return coreObjects(ctx, config, "json-") }},
	{"core objects in protobuf", func(ctx context.Context, config *rest.Config) error {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		return coreObjects(ctx, config, "proto-")
	}},
	{"core objects are applied by their apply configurations", coreApply},
	{"the dynamic client works with objects of no type", dynamicObjects},
	{"the metadata client sees metadata alone", metadataObjects},
	{"lists come in pages", pages},
	{"informers see what is there and what changes", informed},
	{"deletions propagate as asked", propagation},
}

func gateway(name string) *gatewayv1.Gateway {
	return &gatewayv1.Gateway{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec: gatewayv1.GatewaySpec{
			GatewayClassName: "weft",
			Listeners:        []gatewayv1.Listener{{Name: "http", Port: 80, Protocol: gatewayv1.HTTPProtocolType}},
		},
	}
}

func gatewayObjects(ctx context.Context, config *rest.Config) error {
	client, err := gatewayclient.NewForConfig(config)
	if err != nil {
		return err
	}
	gateways := client.GatewayV1().Gateways(namespace)
	created, err := gateways.Create(ctx, gateway("typed"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = gateways.Create(ctx, gateway("typed"), metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("a second create: %v", err)
	}
	changed := created.DeepCopy()
	changed.Spec.Listeners[0].Port = 81
	updated, err := gateways.Update(ctx, changed, metav1.UpdateOptions{FieldManager: "typed"})
	if err != nil {
		return err
	}
	_, err = gateways.Update(ctx, changed, metav1.UpdateOptions{})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("a stale update: %v", err)
	}
	patched, err := gateways.Patch(ctx, "typed", types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	invalid := patched.DeepCopy()
	invalid.Spec.Listeners = nil
	_, err = gateways.Update(ctx, invalid, metav1.UpdateOptions{})
	if !apierrors.IsInvalid(err) {
		return fmt.Errorf("an invalid update: %v", err)
	}
	selected, err := gateways.List(ctx, metav1.ListOptions{LabelSelector: labels.Set{"a": "b"}.String()})
	if err != nil {
		return err
	}
	err = gateways.Delete(ctx, "typed", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions("other")})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("a delete of another uid: %v", err)
	}
	if err := gateways.Delete(ctx, "typed", metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(created.UID))}); err != nil {
		return err
	}
	_, err = gateways.Get(ctx, "typed", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("after the delete: %v", err)
	}
	return first(
		want("generation after create", created.Generation, 1),
		want("generation after update", updated.Generation, 2),
		want("generation after a label", patched.Generation, 2),
		want("selected", len(selected.Items), 1),
		want("managers", len(patched.ManagedFields), 2),
	)
}

func listener(name gatewayv1.SectionName, port int32) *gatewayapply.ListenerApplyConfiguration {
	return gatewayapply.Listener().WithName(name).WithPort(gatewayv1.PortNumber(port)).WithProtocol(gatewayv1.HTTPProtocolType)
}

func gatewayApply(ctx context.Context, config *rest.Config) error {
	client, err := gatewayclient.NewForConfig(config)
	if err != nil {
		return err
	}
	gateways := client.GatewayV1().Gateways(namespace)
	apply := func(manager string, force bool, listeners ...*gatewayapply.ListenerApplyConfiguration) (*gatewayv1.Gateway, error) {
		spec := gatewayapply.GatewaySpec().WithGatewayClassName("weft").WithListeners(listeners...)
		wanted := gatewayapply.Gateway("applied", namespace).WithSpec(spec)
		return gateways.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: manager, Force: force})
	}
	if _, err := apply("one", false, listener("a", 80)); err != nil {
		return err
	}
	both, err := apply("two", false, listener("a", 80), listener("b", 81))
	if err != nil {
		return err
	}
	_, err = apply("two", false, listener("a", 90))
	if !apierrors.IsConflict(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) {
		return fmt.Errorf("a conflicting apply: %v", err)
	}
	forced, err := apply("two", true, listener("a", 90))
	if err != nil {
		return err
	}
	extracted, err := gatewayapply.ExtractGateway(forced, "two")
	if err != nil {
		return err
	}
	defer func() { _ = gateways.Delete(ctx, "applied", metav1.DeleteOptions{}) }()
	return first(
		want("listeners of both", len(both.Spec.Listeners), 2),
		want("listeners after the last apply", len(forced.Spec.Listeners), 1),
		want("port after force", int32(forced.Spec.Listeners[0].Port), 90),
		want("extracted listeners", len(extracted.Spec.Listeners), 1),
		want("extracted port", int32(*extracted.Spec.Listeners[0].Port), 90),
	)
}

func gatewayStatus(ctx context.Context, config *rest.Config) error {
	client, err := gatewayclient.NewForConfig(config)
	if err != nil {
		return err
	}
	classes := client.GatewayV1().GatewayClasses()
	class := &gatewayv1.GatewayClass{
		ObjectMeta: metav1.ObjectMeta{Name: "other"},
		Spec:       gatewayv1.GatewayClassSpec{ControllerName: "example.com/other"},
	}
	created, err := classes.Create(ctx, class, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = classes.Delete(ctx, "other", metav1.DeleteOptions{}) }()
	created.Status.Conditions = []metav1.Condition{{
		Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted", LastTransitionTime: metav1.Now(),
	}}
	created.Spec.Description = ptr.To("not by this way")
	updated, err := classes.UpdateStatus(ctx, created, metav1.UpdateOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	status := gatewayapply.GatewayClassStatus().WithSupportedFeatures(gatewayapply.SupportedFeature().WithName("HTTPRoute"))
	applied, err := classes.ApplyStatus(ctx, gatewayapply.GatewayClass("other").WithStatus(status), metav1.ApplyOptions{FieldManager: "two"})
	if err != nil {
		return err
	}
	return first(
		want("description", updated.Spec.Description == nil, true),
		want("generation", updated.Generation, 1),
		want("conditions", len(applied.Status.Conditions), 1),
		want("features", len(applied.Status.SupportedFeatures), 1),
	)
}

func coreObjects(ctx context.Context, config *rest.Config, prefix string) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	room := prefix + "room"
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: room}}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("namespace: %w", err)
	}
	service, err := client.CoreV1().Services(room).Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	service.Spec.Ports[0].Port = 81
	if service, err = client.CoreV1().Services(room).Update(ctx, service, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("service update: %w", err)
	}
	secret, err := client.CoreV1().Secrets(room).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "keys"}, Data: map[string][]byte{"a": []byte("b")},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	held, err := client.CoreV1().ConfigMaps(room).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "held-", Finalizers: []string{"example.com/wait"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: "keys", UID: secret.UID, Controller: ptr.To(true)}},
		},
		Data: map[string]string{"a": "b"},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("config map: %w", err)
	}
	foreground := metav1.DeletePropagationForeground
	if err := client.CoreV1().ConfigMaps(room).Delete(ctx, held.Name, metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		return fmt.Errorf("config map delete: %w", err)
	}
	if err := until(ctx, "the foreground finalizer goes", func() (bool, error) {
		held, err = client.CoreV1().ConfigMaps(room).Get(ctx, held.Name, metav1.GetOptions{})
		return err == nil && held.DeletionTimestamp != nil && len(held.Finalizers) == 1, err
	}); err != nil {
		return err
	}
	held.Finalizers = nil
	if _, err := client.CoreV1().ConfigMaps(room).Update(ctx, held, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("config map release: %w", err)
	}
	if err := client.CoreV1().Namespaces().Delete(ctx, room, metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("namespace delete: %w", err)
	}
	return first(
		want("port", service.Spec.Ports[0].Port, 81),
		want("data", string(secret.Data["a"]), "b"),
		until(ctx, "the namespace goes", func() (bool, error) {
			_, err := client.CoreV1().Namespaces().Get(ctx, room, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		}),
	)
}

func coreApply(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	apply := func(manager string, data map[string]string) (*corev1.ConfigMap, error) {
		return maps.Apply(ctx, coreapply.ConfigMap("applied", namespace).WithData(data), metav1.ApplyOptions{FieldManager: manager})
	}
	if _, err := apply("one", map[string]string{"a": "1", "b": "2"}); err != nil {
		return err
	}
	if _, err := apply("two", map[string]string{"c": "3"}); err != nil {
		return err
	}
	last, err := apply("one", map[string]string{"a": "1"})
	if err != nil {
		return err
	}
	defer func() { _ = maps.Delete(ctx, "applied", metav1.DeleteOptions{}) }()
	return want("data", fmt.Sprint(last.Data), "map[a:1 c:3]")
}

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func dynamicObjects(ctx context.Context, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "dynamic"}, "data": map[string]any{"a": "b"},
	}}
	maps := client.Resource(configMaps).Namespace(namespace)
	applied, err := maps.Apply(ctx, "dynamic", object, metav1.ApplyOptions{FieldManager: "dynamic"})
	if err != nil {
		return err
	}
	patched, err := maps.Patch(ctx, "dynamic", types.JSONPatchType, []byte(`[{"op":"add","path":"/data/c","value":"d"}]`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	data, _, _ := unstructured.NestedStringMap(patched.Object, "data")
	return first(
		want("manager", applied.GetManagedFields()[0].Manager, "dynamic"),
		want("data", fmt.Sprint(data), "map[a:b c:d]"),
		maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name=dynamic"}),
	)
}

func metadataObjects(ctx context.Context, config *rest.Config) error {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	return want("kind", list.Items[0].Kind, "PartialObjectMetadata")
}

func pages(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	for i := range 7 {
		labelled := metav1.ObjectMeta{Name: fmt.Sprintf("page-%d", i), Labels: map[string]string{"pages": "yes"}}
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: labelled}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	seen, calls := 0, 0
	list := pager.New(func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
		calls++
		return maps.List(ctx, options)
	})
	list.PageSize = 3
	err = list.EachListItem(ctx, metav1.ListOptions{LabelSelector: "pages=yes"}, func(runtime.Object) error { seen++; return nil })
	if err != nil {
		return err
	}
	return first(
		want("items", seen, 7),
		want("pages", calls, 3),
		maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "pages=yes"}),
	)
}

func informed(ctx context.Context, config *rest.Config) error {
	client, err := gatewayclient.NewForConfig(config)
	if err != nil {
		return err
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	gateways := client.GatewayV1().Gateways(namespace)
	if _, err := gateways.Create(ctx, gateway("before"), metav1.CreateOptions{}); err != nil {
		return err
	}
	var mutex sync.Mutex
	var events []string
	record := func(event string) func(object any) {
		return func(object any) {
			accessor, ok := object.(metav1.Object)
			if !ok {
				return
			}
			mutex.Lock()
			defer mutex.Unlock()
			events = append(events, event+" "+accessor.GetName())
		}
	}
	factory := gatewayinformers.NewSharedInformerFactory(client, 0)
	informer := factory.Gateway().V1().Gateways()
	if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: record("add"), UpdateFunc: func(_, object any) { record("update")(object) }, DeleteFunc: record("delete"),
	}); err != nil {
		return err
	}
	services := informers.NewSharedInformerFactory(core, 0)
	namespaces := services.Core().V1().Namespaces()
	namespaces.Informer()
	factory.Start(ctx.Done())
	services.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("%v did not come", kind)
		}
	}
	services.WaitForCacheSync(ctx.Done())
	if _, err := namespaces.Lister().Get(namespace); err != nil {
		return err
	}
	if _, err := gateways.Create(ctx, gateway("later"), metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := gateways.Patch(ctx, "later", types.MergePatchType, []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	for _, name := range []string{"later", "before"} {
		if err := gateways.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	expected := "[add before add later update later delete later delete before]"
	return until(ctx, "the events are "+expected, func() (bool, error) {
		mutex.Lock()
		defer mutex.Unlock()
		return fmt.Sprint(events) == expected, nil
	})
}

func propagation(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	maps := client.CoreV1().ConfigMaps(namespace)
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan} {
		owner, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		reference := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID, BlockOwnerDeletion: ptr.To(true)}
		owned := metav1.ObjectMeta{Name: "owned", OwnerReferences: []metav1.OwnerReference{reference}}
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: owned}, metav1.CreateOptions{}); err != nil {
			return err
		}
		if err := maps.Delete(ctx, "owner", metav1.DeleteOptions{PropagationPolicy: &policy}); err != nil {
			return err
		}
		if err := until(ctx, string(policy), func() (bool, error) {
			_, ownerErr := maps.Get(ctx, "owner", metav1.GetOptions{})
			found, ownedErr := maps.Get(ctx, "owned", metav1.GetOptions{})
			if policy == metav1.DeletePropagationOrphan {
				return apierrors.IsNotFound(ownerErr) && ownedErr == nil && len(found.OwnerReferences) == 0, nil
			}
			return apierrors.IsNotFound(ownerErr) && apierrors.IsNotFound(ownedErr), nil
		}); err != nil {
			return err
		}
	}
	return maps.Delete(ctx, "owned", metav1.DeleteOptions{})
}
