//! Deployments and their groups.

use akash_proto::{
    akash::deployment::v1beta4 as deployment,
    id::{DeploymentId, GroupId},
};

use super::{MAX_MESSAGE, QueryError};
use crate::{Chain, nodes::node::Caller};

impl Chain {
    /// A deployment with its groups and escrow account, in any state; `None` if there never was one.
    pub async fn deployment(
        &self,
        id: &DeploymentId,
    ) -> Result<Option<deployment::QueryDeploymentResponse>, QueryError> {
        self.inner()
            .find("the deployment", async |caller| {
                let request = deployment::QueryDeploymentRequest { id: Some(id.into()) };
                deployment_client(caller).deployment(request).await
            })
            .await
    }

    /// The owner's deployments in one state (`active`, `closed`), or in all.
    pub async fn deployments(
        &self,
        owner: &str,
        state: Option<&str>,
    ) -> Result<Vec<deployment::QueryDeploymentResponse>, QueryError> {
        self.deployments_at(owner, state, None).await
    }

    pub(crate) async fn deployments_at(
        &self,
        owner: &str,
        state: Option<&str>,
        height: Option<u64>,
    ) -> Result<Vec<deployment::QueryDeploymentResponse>, QueryError> {
        let filters = deployment::DeploymentFilters {
            owner: owner.into(),
            state: state.unwrap_or_default().into(),
            ..Default::default()
        };
        self.inner()
            .pages(
                "the deployments",
                height,
                async |caller, pagination| {
                    let request =
                        deployment::QueryDeploymentsRequest { filters: Some(filters.clone()), pagination };
                    deployment_client(caller).deployments(request).await
                },
                |page| (page.deployments, page.pagination),
            )
            .await
    }

    /// A group; `None` if there is none of that number.
    pub async fn group(&self, id: &GroupId) -> Result<Option<deployment::Group>, QueryError> {
        let found = self
            .inner()
            .find("the group", async |caller| {
                deployment_client(caller).group(deployment::QueryGroupRequest { id: Some(id.into()) }).await
            })
            .await?;
        Ok(found.and_then(|found| found.group))
    }

    /// The deployment module's parameters (minimum deposits).
    pub async fn deployment_params(&self) -> Result<deployment::Params, QueryError> {
        let what = "the deployment parameters";
        let answer = self
            .inner()
            .read(what, None, async |caller| {
                deployment_client(caller).params(deployment::QueryParamsRequest {}).await
            })
            .await?;
        answer.params.ok_or(QueryError::Malformed { what, endpoint: String::new(), missing: "parameters" })
    }
}

fn deployment_client(caller: Caller) -> deployment::query_client::QueryClient<Caller> {
    deployment::query_client::QueryClient::new(caller).max_decoding_message_size(MAX_MESSAGE)
}
