package main

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayapply "sigs.k8s.io/gateway-api/applyconfiguration/apis/v1"
)

var controllerChecks = []check{
	{"controller-runtime's client lists the definitions of kinds", definitions},
	{"a controller of controller-runtime leads, owns, restores, reports, finalizes and applies", controller},
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, first(clientgoscheme.AddToScheme(scheme), gatewayv1.Install(scheme), apiextensionsv1.AddToScheme(scheme))
}

func definitions(ctx context.Context, config *rest.Config) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	var list apiextensionsv1.CustomResourceDefinitionList
	if err := c.List(ctx, &list); err != nil {
		return err
	}
	for _, item := range list.Items {
		if item.Name == "httproutes.gateway.networking.k8s.io" {
			return first(
				want("version", item.Annotations["gateway.networking.k8s.io/bundle-version"], "v1.7.0"),
				want("channel", item.Annotations["gateway.networking.k8s.io/channel"], "experimental"),
				want("schema", item.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Type, "object"),
			)
		}
	}
	return fmt.Errorf("HTTPRoute is not among %d definitions", len(list.Items))
}

const finalizer = "example.com/cleanup"

type reconciler struct {
	client.Client
	cleaned chan string
}

// Reconcile keeps a ConfigMap beside each Gateway that is labelled for it.
func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var gateway gatewayv1.Gateway
	if err := r.Get(ctx, request.NamespacedName, &gateway); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if gateway.Labels["reconciled"] != "yes" {
		return ctrl.Result{}, nil
	}
	if gateway.DeletionTimestamp != nil {
		before := gateway.DeepCopy()
		if controllerutil.RemoveFinalizer(&gateway, finalizer) {
			if err := r.Patch(ctx, &gateway, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
				return ctrl.Result{}, err
			}
			r.cleaned <- gateway.Name
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&gateway, finalizer) {
		return ctrl.Result{}, r.Update(ctx, &gateway)
	}
	owned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: gateway.Name + "-owned", Namespace: gateway.Namespace}}
	if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, owned, func() error {
		owned.Data = map[string]string{"listeners": fmt.Sprint(len(gateway.Spec.Listeners))}
		return controllerutil.SetControllerReference(&gateway, owned, r.Scheme())
	}); err != nil {
		return ctrl.Result{}, err
	}
	before := gateway.DeepCopy()
	if meta.SetStatusCondition(&gateway.Status.Conditions, metav1.Condition{
		Type: "example.com/Reconciled", Status: metav1.ConditionTrue, Reason: "Done", ObservedGeneration: gateway.Generation,
	}) {
		return ctrl.Result{}, r.Status().Patch(ctx, &gateway, client.MergeFrom(before))
	}
	return ctrl.Result{}, nil
}

func controller(ctx context.Context, restConfig *rest.Config) error {
	scheme, err := newScheme()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme:         scheme,
		Metrics:        metricsserver.Options{BindAddress: "0"},
		LeaderElection: true, LeaderElectionID: "reconciler", LeaderElectionNamespace: namespace, LeaderElectionReleaseOnCancel: true,
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return err
	}
	r := &reconciler{Client: manager.GetClient(), cleaned: make(chan string, 1)}
	if err := ctrl.NewControllerManagedBy(manager).For(&gatewayv1.Gateway{}).Owns(&corev1.ConfigMap{}).Complete(r); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(running) }()
	err = owning(ctx, manager.GetAPIReader(), r.Client, r.cleaned)
	stop()
	return first(err, <-ended)
}

func owning(ctx context.Context, reader client.Reader, c client.Client, cleaned <-chan string) error {
	owned := client.ObjectKey{Namespace: namespace, Name: "reconciled-owned"}
	var found corev1.ConfigMap
	exists := func() (bool, error) {
		err := reader.Get(ctx, owned, &found)
		return err == nil, client.IgnoreNotFound(err)
	}
	wanted := func(listeners ...*gatewayapply.ListenerApplyConfiguration) *gatewayapply.GatewayApplyConfiguration {
		return gatewayapply.Gateway("reconciled", namespace).WithLabels(map[string]string{"reconciled": "yes"}).
			WithSpec(gatewayapply.GatewaySpec().WithGatewayClassName("weft").WithListeners(listeners...))
	}
	if err := c.Apply(ctx, wanted(listener("a", 80)), client.FieldOwner("tester")); err != nil {
		return err
	}
	if err := until(ctx, "what it owns is there", exists); err != nil {
		return err
	}
	var leader coordinationv1.Lease
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "reconciler"}, &leader); err != nil {
		return err
	}
	if ptr.Deref(leader.Spec.HolderIdentity, "") == "" {
		return fmt.Errorf("nobody leads")
	}
	uid := found.UID
	if err := c.Delete(ctx, &found); err != nil {
		return err
	}
	if err := until(ctx, "what it owns is back", func() (bool, error) {
		ok, err := exists()
		return ok && found.UID != uid, err
	}); err != nil {
		return err
	}
	if err := c.Apply(ctx, wanted(listener("a", 80), listener("b", 81)), client.FieldOwner("tester")); err != nil {
		return err
	}
	var gateway gatewayv1.Gateway
	if err := until(ctx, "a change reaches what it owns, and is reported", func() (bool, error) {
		ok, err := exists()
		if !ok || err != nil || found.Data["listeners"] != "2" {
			return false, err
		}
		err = reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "reconciled"}, &gateway)
		condition := meta.FindStatusCondition(gateway.Status.Conditions, "example.com/Reconciled")
		return condition != nil && condition.ObservedGeneration == gateway.Generation, err
	}); err != nil {
		return err
	}
	if err := c.Delete(ctx, &gateway); err != nil {
		return err
	}
	select {
	case <-cleaned:
	case <-ctx.Done():
		return fmt.Errorf("it was not asked to clean up")
	}
	return until(ctx, "what it owns goes after it", func() (bool, error) {
		err := reader.Get(ctx, client.ObjectKeyFromObject(&gateway), &gateway)
		if !apierrors.IsNotFound(err) {
			return false, err
		}
		ok, err := exists()
		return !ok, err
	})
}
